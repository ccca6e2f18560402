# SPDX-License-Identifier: GPL-3.0-or-later
"""A little shop with an experiment, and what its tests share: the documented hash without the server's code, and how it is asked."""
import time

import xxhash

import harness
from harness import SLOW, pb, until

COLLECTION = """
fields:
  title: {type: text}
  price: number
events: {click: 1, purchase: 5, basket: 2}
default_pipeline: cheap
"""
CHEAP = """
collection: things
stages:
  - keep: 50
    rank:
      - {name: cheap, plugin: function, formula: "0 - item.price"}
"""
PIPELINES = {"cheap": CHEAP, "dear": CHEAP.replace("0 - item.price", "item.price"),
             "none": CHEAP + "rewrite:\n  - {plugin: rules, file: ../rules/none.yaml}\n"}
RULES = """
rules:
  - {id: nothing, when: {}, then: [{add_filter: "price < 0"}]}
"""
ORDER = """
unit: user
salt: order-1
arms:
  low: {share: 0.5}
  high: {pipeline: dear, share: 0.5}
  ghost: {pipeline: dear, shadow: true}
metrics: {primary: ctr@3, every: 200ms}
"""
ITEMS = 12


def bucket(salt, unit, id):
    """As docs/experiments.md has it."""
    return xxhash.xxh3_64_intdigest(f"{salt}/{unit}/{id}".encode()) % 10000


def arm_of(user, salt="order-1"):
    return "low" if bucket(salt, "user", user) < 5000 else "high"


def things(server):
    server.upsert("things", [harness.item(f"i{i}", title="lamp", price=float(i)) for i in range(ITEMS)], searchable=True)


class Things:
    """What all servers here are asked."""

    def ask(self, server, user="", session="", request_id="", **more):
        return server.search(collection="things", query="lamp", page_size=5, request_id=request_id,
                             user=pb.types_pb2.User(user_id=user, session_id=session), **more)

    def taken(self, answer, experiment="order"):
        return next((x for x in answer.assignment.experiments if x.experiment == experiment), None)

    def report(self, server, name="order", **more):
        return server.stub("Admin").GetExperimentReport(pb.admin_pb2.GetExperimentReportRequest(experiment=name, **more), timeout=30 * SLOW)

    def counted(self, server, name="order"):
        """The report once all impressions and events that are on disk are in it: the server looks five times a second."""
        server.wait_impressions()
        time.sleep(0.5)
        until(lambda: self.report(server, name).counted == 1)
        return self.report(server, name)

    def events(self, server, *events):
        r = server.record(*(pb.events_pb2.Event(collection="things", **e) for e in events))
        self.assertFalse(r.rejected)


def start(experiments, settings="", **more):
    files = {f"experiments/{name}.yaml": text for name, text in experiments.items()}
    s = harness.Server({"things": COLLECTION}, PIPELINES, settings, {"rules/none.yaml": RULES, **files}, **more)
    things(s)
    return s
