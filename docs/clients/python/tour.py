# SPDX-License-Identifier: Apache-2.0
"""What a shop does with Sinter, once through: python3 tour.py [COLLECTION] [WORDS...], against $SINTER_SERVER or 127.0.0.1:7700.

Items in, a search with its reasons, pages, what somebody clicked, an error, and what an operator does. It adds two items of its
own and takes them out again.
"""
import sys
import uuid

from sinter_client import Refused, Sinter
from sinter.v1 import admin_pb2, catalog_pb2, events_pb2, search_pb2, types_pb2


def write_items(sinter, collection, title_field):
    """A stream of batches, each with a write_id: sent again after a broken connection, it changes nothing."""
    run = str(uuid.uuid4())
    batches = [catalog_pb2.UpsertItemsRequest(collection=collection, write_id=f"{run}/{n}", items=[
        types_pb2.Item(id=f"tour-{n}", fields={title_field: types_pb2.Value(string_value=f"zeppelin number {n}")})]) for n in (1, 2)]
    for attempt in ("first", "again"):
        answers = list(sinter.catalog.UpsertItems(iter(batches), timeout=10))
        rejected = [f"{r.id}: {v.field} {v.description}" for a in answers for r in a.rejected for v in r.violations]
        print(f"upsert, {attempt}: {[a.accepted for a in answers]} accepted, repeated {[a.repeated_write for a in answers]}", *rejected)
    return max(a.sequence for a in answers)


def search(sinter, collection, words, **more):
    request = search_pb2.SearchRequest(collection=collection, query=words, fields=["*"], **more)
    return sinter.call(sinter.search.Search, request, seconds=5)


def show(answer, title_field):
    for place, hit in enumerate(answer.hits, 1):
        title = hit.fields[title_field].string_value or hit.id
        print(f"  {place:2}  {hit.score:8.4f}  {title[:60]}")
        for stage in hit.explanation.stages:
            shares = ", ".join(f"{r.ranker} {r.contribution:+.3f}" for r in stage.rankers if not r.missing)
            print(f"        {stage.name}: place {stage.rank_before} -> {stage.rank_after}; {shares or 'no ranker'}")
    for part in answer.degraded:  # never a silent gap
        print(f"  without {part.name}: {part.reason}")


def pages(sinter, collection, words):
    """All pages of two, by cursor: nothing twice, nothing left out."""
    ids, cursor = [], ""
    while len(ids) < 6:
        answer = search(sinter, collection, words, page_size=2, cursor=cursor, no_impression=True)
        ids += [hit.id for hit in answer.hits]
        cursor = answer.cursor
        if not cursor:
            break
    print(f"pages: {len(ids)} hits of {answer.total}, {len(ids) - len(set(ids))} twice")


def click(sinter, collection, answer, kinds):
    """The event names the answer that showed the item and where. Its id makes a retry count once."""
    if not answer.hits or not kinds:
        return
    event = events_pb2.Event(event_id=str(uuid.uuid4()), collection=collection, type=kinds[0], user_id="tour", request_id=answer.request_id,
                             item_ids=[answer.hits[0].id], position=1)
    for _ in range(2):
        r = sinter.call(sinter.events.RecordEvents, events_pb2.RecordEventsRequest(events=[event]))
        print(f"event {event.type}: accepted {r.accepted}, repeated {r.repeated}")


def event_types(sinter, collection):
    """The server names the types that it takes when it is given another."""
    wrong = events_pb2.Event(event_id=str(uuid.uuid4()), collection=collection, type="no-such-type", user_id="tour", item_ids=["x"])
    r = sinter.call(sinter.events.RecordEvents, events_pb2.RecordEventsRequest(events=[wrong]))
    valid = r.rejected[0].valid.split(";")[0] if r.rejected else ""
    return [t.strip() for t in valid.split(",") if t.strip().isidentifier()]


def operate(sinter):
    """What the running server would change on a reload; then the newest version of each model becomes the one that serves."""
    r = sinter.call(sinter.admin.Reload, admin_pb2.ReloadRequest(dry_run=True), seconds=60)
    print(f"reload, dry run: {list(r.changes) or 'no changes'}")
    newest = {}
    for model in sinter.call(sinter.admin.ListModels, admin_pb2.ListModelsRequest()).models:
        if not model.fault and int(model.version) >= int(newest.get(model.name, model).version):
            newest[model.name] = model
    for model in newest.values():
        name = f"{model.name}/{model.version}"
        if model.deployed:
            print(f"model {name}: serves already")
            continue
        r = sinter.call(sinter.admin.DeployModel, admin_pb2.DeployModelRequest(model=name, who="tour", why="the newest"), seconds=60)
        print(f"model {name}: deployed, snapshot {r.snapshot}, record {r.sequence}, {r.golden_cases} golden cases")


def swap(sinter):
    """A plugin's build is changed while requests are answered: here for the same again, after a rehearsal that changes nothing. A build of
    your own would be named by `file`, a path on the server's machine. Whatever is wrong with it is refused, and the old one goes on."""
    plugins = sinter.call(sinter.admin.GetStatus, admin_pb2.GetStatusRequest()).plugins
    plugin = next((p.name for p in plugins if p.used_by), None)
    if not plugin:
        return
    r = sinter.call(sinter.admin.SwapPlugin, admin_pb2.SwapPluginRequest(plugin=plugin, dry_run=True), seconds=60)
    print(f"swap of {plugin}, dry run: {r.rehearsal.changed} of {r.rehearsal.requests} recorded requests would get another first page;", *r.rehearsal.notes)
    r = sinter.call(sinter.admin.SwapPlugin, admin_pb2.SwapPluginRequest(plugin=plugin, who="tour", why="the same build again"), seconds=60)
    print(f"swap of {plugin}: build {r.sha256[:12]} serves, snapshot {r.snapshot}")


def main(collection="", words="zeppelin"):
    sinter = Sinter()
    collections = sinter.call(sinter.catalog.ListCollections, catalog_pb2.ListCollectionsRequest()).collections
    print("collections:", ", ".join(f"{c.name} ({c.items} items)" for c in collections))
    chosen = next(c for c in collections if not collection or c.name == collection)
    collection, title = chosen.name, chosen.title_field

    sequence = write_items(sinter, collection, title)
    # after_sequence: the answer waits until what was written can be found.
    answer = search(sinter, collection, "zeppelin", after_sequence=sequence, page_size=3, explain=types_pb2.EXPLAIN_SCORES)
    print(f"zeppelin: {answer.total} matches by {answer.assignment.pipeline}, request {answer.request_id}")
    show(answer, title)

    answer = search(sinter, collection, words, page_size=5, user=types_pb2.User(user_id="tour"))
    click(sinter, collection, answer, event_types(sinter, collection))
    pages(sinter, collection, words)
    first = next(iter(sinter.catalog.ListItems(catalog_pb2.ListItemsRequest(collection=collection, limit=3), timeout=10)), None)
    print("first items of the catalogue:", [item.id for item in first.items] if first else [])

    try:
        search(sinter, collection, words, filter="no_such_field > 3")
    except Refused as error:
        print(f"refused, as it should be: {error}", *error.fields)
    operate(sinter)
    swap(sinter)
    r = sinter.call(sinter.catalog.DeleteItems, catalog_pb2.DeleteItemsRequest(
        collection=collection, ids=["tour-1", "tour-2"], write_id=str(uuid.uuid4())))
    print(f"deleted {r.deleted}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *([" ".join(sys.argv[2:])] if sys.argv[2:] else []))
