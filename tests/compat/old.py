# SPDX-License-Identifier: GPL-3.0-or-later
"""A data directory and a configuration of every published version, with what its server answered: later servers must answer the
same (tests/integration/test_compatibility.py).

    SINTER_BUILD=build/release /usr/bin/python3 -B tests/compat/old.py 0.2      makes tests/compat/0.2, once, at the release

A folder holds config/, data.tar.gz (journal/ and models/, written, killed and stopped) and answers.json. It is never made anew; only
where a version changes an answer on purpose, `old.py 0.1 --answers` writes the new ones, and the commit says which and why.
"""
import json
import pathlib
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402
from harness import BUILD, SLOW, pb  # noqa: E402

LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
NOW = {"seconds": 1782907200}  # of all requests: ages and counters must not move
COLLECTIONS = {"shop": """
language: en
title: title
age: released
stop_words: default
spelling: true
units: true
coverage_bonus: 0.3
k1: 1.1
b: 0.6
groups:
  title: {weight: 2.5, b: 0.4}
  rest: {weight: 1}
events: {view: 0.2, click: 1, purchase: 5, rating: value}
counters: {half_life: 20d, by: [brand]}
profiles: {history: 50}
default_pipeline: shop
fields:
  title: {type: text, group: title, required: true}
  description: {type: text, group: rest, language: de}
  brand: {type: keyword, searchable: true, group: rest, language: none}
  tags: {type: keywords, searchable: true, group: rest}
  price: number
  stock: integer
  sold_out: boolean
  released: timestamp
  place: geo
  vector: {type: vector, dimension: 4}
  attributes.*: keyword
"""}
PIPELINES = {
    "shop": """
collection: shop
rewrite:
  - {plugin: rules, file: ../rules/shop.yaml}
recall:
  - {source: text, limit: 500}
stages:
  - name: first
    keep: 30
    rank:
      - {name: words, feature: text.bm25}
      - {name: fresh, plugin: function, formula: "exp(-item.age_days / 365) + 0.1 * events.click + 0.05 * user.events", budget: 1s}
      - {name: liked, plugin: popular, model: liked/latest, half_life_days: 30}
    fuse: {plugin: fusion, method: weighted, weights: {words: 0.6, fresh: 0.2, liked: 0.2}}
    budget: 10s
finish:
  - {plugin: rules, file: ../rules/shop.yaml}
  - {diversity: mmr, field: brand, strength: 0.1}
budget: 10s
record: 1
""",
    "voting": """
collection: shop
stages:
  - rank:
      - {name: words, feature: text.bm25}
      - {name: cheap, plugin: function, formula: "-item.price"}
    fuse: {plugin: fusion, method: voting, rule: rrf}
""",
}
FILES = {"rules/shop.yaml": """
rules:
  - id: sofas
    when: {query: {any_word: [sofa]}}
    then: {add_words: couch}
  - id: sold-out
    when: {filter: sold_out}
    then: {bury: {factor: 0.5}}
"""}
SETTINGS = "lanes: 2\ndrain: 5s\ncommit_after: 100ms\nlimits: {max_message: 2MiB, max_concurrent: 64}\nlog: {level: info, format: json, impressions: true}\n"


def items():
    words = ("lamp", "chair", "sofa", "couch", "table", "shelf", "rug", "desk")
    for n in range(60):
        fields = {"title": f"{('red', 'blue', 'oak')[n % 3]} {words[n % 8]} 13x{n % 5 + 10}", "description": f"Ein Stück Nummer {n}, schöne Möbel",
                  "brand": f"brand{n % 7}", "tags": ["indoor", "sale"] if n % 4 else ["outdoor"], "price": 10.0 + n * 3.5, "stock": n % 9,
                  "sold_out": n % 9 == 0, "attributes.colour": ("red", "blue", "oak")[n % 3], "vector": [n / 7, 1.0, -0.5, 0.25]}
        item = harness.item(f"i{n}", **fields)
        item.fields["released"].timestamp_value.seconds = NOW["seconds"] - 86400 * 9 * n
        item.fields["place"].geo_value.latitude, item.fields["place"].geo_value.longitude = 47 + n / 100, 8 - n / 50
        yield item


def events():
    for n in range(200):
        yield pb.events_pb2.Event(event_id=f"e{n}", collection="shop", type=("view", "click", "purchase", "rating")[n % 4], user_id=f"u{n % 11}",
                                  session_id=f"s{n % 11}", item_ids=[f"i{(n * n + n // 4) % 60}"], value=float(n % 5),
                                  time={"seconds": NOW["seconds"] - 3600 * (200 - n)}, query="red lamp" if n % 3 else "",
                                  attributes={"channel": harness.value("app")})


def write(server):
    """Fills it in every way that version 0.1 had; a kill between, so that what lies on disk is no clean stop's alone."""
    server.upsert("shop", list(items()), write_id="first", searchable=True)
    server.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=events()), timeout=10 * SLOW)
    server.upsert("shop", [harness.item("i5", title="green lamp again", brand="brand5", price=1.0, stock=3)], write_id="second")
    server.delete("shop", ["i6", "i7"], write_id="third")
    server.upsert("shop", [harness.item("i7", title="blue lamp that came back", brand="brand1", price=2.0)])
    server.kill9()
    server.start()
    done = subprocess.run([str(BUILD / "bin/sinter"), "train", "shop.liked", "-c", str(server.conf / "sinter.yaml"), "--deploy", "--why", "the first", "--server", server.address,
                           "--quiet"], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    server.search(collection="shop", query="red lamp", user={"user_id": "u1"}, context={"time": NOW})


def ledger(hit):
    """What the answer says about a hit, with floats cut to what two machines agree on."""
    cut = lambda x: None if x != x else float(f"{x:.5g}")
    return {"id": hit.id, "score": cut(hit.score),
            "stages": [[s.name, s.rank_before, s.rank_after, [[r.ranker, r.missing, cut(r.raw), cut(r.contribution)] for r in s.rankers]]
                       for s in hit.explanation.stages],
            "rules": [[r.rule, r.action] for r in hit.explanation.rules]}


def look(server):
    """What it answers: searches with their ledgers, items, sequences, models, repeated writes."""
    searches = ({"query": "red lamp", "user": {"user_id": "u1"}}, {"query": "sofa"}, {"query": "lmap"}, {"query": "oak desk", "pipeline": "voting"},
                {"query": "Stück", "filter": "price < 60 AND NOT sold_out"}, {"filter": 'tags = "outdoor"', "sort": ["-price"]},
                {"query": '"blue lamp" -again', "user": {"session_id": "s3"}, "exclude_seen": True})
    out = {"searches": []}
    for request in searches:
        r = server.search(collection="shop", page_size=8, context={"time": NOW}, no_impression=True, explain=pb.types_pb2.EXPLAIN_SCORES, **request)
        out["searches"].append({"request": request, "total": r.total, "corrected": r.corrected_query, "hits": [ledger(h) for h in r.hits],
                                "degraded": [d.name for d in r.degraded]})
    got = server.get("shop", ["i1", "i5", "i6", "i7"], fields=["*"])
    fields = lambda item: {k: str(v).split() for k, v in sorted(item.fields.items())}
    out["items"] = {i.id: fields(i) for i in got.items}
    out["not_found"] = list(got.not_found)
    out["order"] = [i.id for i in server.list("shop")]
    status = server.status()
    out["sequence"], out["not_trained"] = status.sequence, list(status.not_trained)
    models = server.stub("Admin").ListModels(pb.admin_pb2.ListModelsRequest(), timeout=10 * SLOW).models
    out["models"] = [[m.name, m.version, m.deployed, m.fault, m.since, m.until] for m in models]
    # A write of then, sent once more, is known: nothing is stored.
    again = server.upsert("shop", list(items()), write_id="first")
    out["again"] = [[a.repeated_write, a.accepted, a.sequence] for a in again]
    r = server.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=events()), timeout=10 * SLOW)
    out["events_again"] = [r.accepted, r.repeated]
    return json.loads(json.dumps(out))


def unpack(version, server):
    """Puts a version's configuration and data where the server, not yet started, expects them."""
    for path in (HERE / version / "config").rglob("*.yaml"):
        server.write(str(path.relative_to(HERE / version / "config")), path.read_text())
    with tarfile.open(HERE / version / "data.tar.gz") as tar:
        tar.extractall(server.data)


def make(version):
    folder = HERE / version
    (folder / "config").mkdir(parents=True)
    with harness.Server(COLLECTIONS, PIPELINES, SETTINGS, FILES) as server:
        write(server)
        server.restart()
        answers = look(server)
        server.stop()
        for path in server.conf.rglob("*.yaml"):
            if path.name != "sinter.yaml":
                (folder / "config" / path.relative_to(server.conf)).parent.mkdir(exist_ok=True)
                (folder / "config" / path.relative_to(server.conf)).write_text(LICENCE + path.read_text().lstrip())
        (folder / "settings.yaml").write_text(LICENCE + SETTINGS)
        with tarfile.open(folder / "data.tar.gz", "w:gz") as tar:
            for name in ("journal", "models"):
                tar.add(server.data / name, name, filter=lambda i: None if i.name.endswith("lock.mdb") else i)
    keep(version, answers)


def keep(version, answers):
    (HERE / version / "answers.json").write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")


def answer_anew(version):
    with harness.Server(collections={}, pipelines={}, settings=(HERE / version / "settings.yaml").read_text(), start=False) as server:
        unpack(version, server)
        server.start()
        keep(version, look(server))


if __name__ == "__main__":
    answer_anew(sys.argv[1]) if "--answers" in sys.argv else make(sys.argv[1])
