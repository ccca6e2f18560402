# SPDX-License-Identifier: GPL-3.0-or-later
"""Black-box tests: a real `sinter serve` on a port of its own, spoken to with python3-grpcio and stubs of protoc's making.

    import harness
    class Words(harness.ServerCase):  # one server a class, with COLLECTIONS and PIPELINES
        def test_x(self):
            self.server.upsert("shop", [harness.item("1", title="red shoe")])
            r = self.server.search(collection="shop", query="shoe", after_sequence=...)

or `with harness.Server(collections={...}) as s:` where a test stops, kills or restarts its own.

Environment: SINTER_BUILD, the build folder (default build/release); SINTER_SOURCE, the source (default: above this file).
Every wait has an end; only processes that were started here are stopped.
"""
import contextlib
import fcntl
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc

SOURCE = pathlib.Path(os.environ.get("SINTER_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("SINTER_BUILD", SOURCE / "build/release"))
SANITIZED = any(word in BUILD.name for word in ("asan", "tsan"))
SLOW = 10 if SANITIZED else 1  # factor for waits
START_SECONDS = 30 * SLOW
STOP_SECONDS = 30 * SLOW

SHOP_COLLECTION = """
fields:
  title: {type: text, weight: 3}
  description: {type: text}
  brand: {type: keyword}
  tags: {type: keywords}
  price: {type: number}
  stock: {type: integer}
  sold_out: {type: boolean}
  released: {type: timestamp}
"""
SHOP_PIPELINE = """
collection: shop
recall:
  - {source: text, limit: 1000}
stages:
  - keep: 100
    rank:
      - {name: words, feature: text.bm25}
"""


def stubs():
    """Python modules of the protos, generated once a build; returns a namespace of them."""
    out = BUILD / "python-stubs"
    out.mkdir(parents=True, exist_ok=True)
    roots = [SOURCE / "proto", SOURCE / "proto/interop"]
    files = sorted(
        f for root in roots for f in root.rglob("*.proto")
        if not (root == roots[0] and "interop" in f.relative_to(root).parts)
    )
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = out / ".made"
        if not stamp.exists() or any(f.stat().st_mtime > stamp.stat().st_mtime for f in files):
            subprocess.run(
                ["protoc", f"-I{roots[1]}", f"-I{roots[0]}", "-I/usr/include", f"--python_out={out}",
                 f"--grpc_python_out={out}", "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin",
                 *map(str, files)], check=True)
            stamp.touch()
    return out


class _Stubs:
    """sinter.v1 and the interop contracts, whose packages `grpc` and `google` share their names with installed ones."""

    def __init__(self):
        out = stubs()
        import google
        import google.protobuf.timestamp_pb2  # noqa: F401
        for package, folder in ((grpc, "grpc"), (google, "google")):
            package.__path__ = [*package.__path__, str(out / folder)]
        sys.path.append(str(out))
        from sinter.v1 import (admin_pb2, admin_pb2_grpc, catalog_pb2, catalog_pb2_grpc, events_pb2, events_pb2_grpc,
                               recommend_pb2, recommend_pb2_grpc, search_pb2, search_pb2_grpc, types_pb2)
        from grpc.health.v1 import health_pb2, health_pb2_grpc
        from grpc.reflection.v1 import reflection_pb2, reflection_pb2_grpc
        from grpc.reflection.v1alpha import reflection_pb2 as alpha_pb2, reflection_pb2_grpc as alpha_pb2_grpc
        from google.rpc import error_details_pb2, status_pb2
        self.__dict__.update({k: v for k, v in locals().items() if k.endswith(("_pb2", "_pb2_grpc"))})


pb = _Stubs()


def value(v):
    """A sinter.v1.Value of a Python value."""
    t = pb.types_pb2
    if isinstance(v, bool):
        return t.Value(boolean_value=v)
    if isinstance(v, int):
        return t.Value(integer_value=v)
    if isinstance(v, float):
        return t.Value(number_value=v)
    if isinstance(v, str):
        return t.Value(string_value=v)
    if isinstance(v, (list, tuple)) and all(isinstance(x, str) for x in v):
        return t.Value(strings_value=t.Strings(values=v))
    if isinstance(v, (list, tuple)):
        return t.Value(vector_value=t.Vector(values=v))
    raise TypeError(f"no Value for {v!r}")


def item(id, **fields):
    return pb.types_pb2.Item(id=id, fields={k: value(v) for k, v in fields.items()})


def details(error, kind=None):
    """Messages of grpc-status-details-bin of an RpcError; with `kind`, the first of that type or None."""
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if raw is None:
        return None if kind else []
    status = pb.status_pb2.Status.FromString(raw)
    out = []
    for any_ in status.details:
        for cls in (pb.error_details_pb2.BadRequest, pb.error_details_pb2.RetryInfo):
            if any_.Is(cls.DESCRIPTOR):
                m = cls()
                any_.Unpack(m)
                out.append(m)
    if kind is None:
        return out
    return next((m for m in out if isinstance(m, kind)), None)


def until(what, seconds=20, told=lambda: "waited too long"):
    """Asks until the answer is true, and returns it. Fails when the time is over, with what `told` says."""
    end = time.monotonic() + seconds * SLOW
    while not (got := what()):
        if time.monotonic() > end:
            raise AssertionError(told())
        time.sleep(0.02)
    return got


@contextlib.contextmanager
def meanwhile(*work):
    """Each of these over and over on a thread of its own until the block ends. Gives a list of what they raised: that ends the thread."""
    stop, raised = threading.Event(), []

    def run(one):
        try:
            while not stop.is_set():
                one()
        except Exception as e:
            raised.append(e)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for t in threads:
        t.start()
    try:
        yield raised
    finally:
        stop.set()
        for t in threads:
            t.join()


def sinter(*words, timeout=60, **more):
    """The command, run to its end: code, output and errors as text."""
    return subprocess.run([str(BUILD / "bin/sinter"), *map(str, words)], capture_output=True, text=True, timeout=timeout * SLOW,
                          **{"stdin": subprocess.DEVNULL, **more})


class Server:
    """One `sinter serve` with a configuration and data of its own in a temporary folder."""

    def __init__(self, collections=None, pipelines=None, settings="", files=None, data=None, start=True, env=None, args=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sinter-test-"))
        self.conf = self.dir / "config"
        self.data = pathlib.Path(data) if data else self.dir / "data"
        self.port_file = self.dir / "port"
        self.http_port_file = self.dir / "http-port"
        self.log_path = self.dir / "log"
        self.env, self.args = env or {}, list(args)
        self.process = self.channel = self.address = self.http_address = None
        if collections is None:
            collections = {"shop": SHOP_COLLECTION}
        if pipelines is None:
            pipelines = {"shop": SHOP_PIPELINE} if "shop" in collections else {}
        self.settings(settings)
        for folder, content in (("collections", collections), ("pipelines", pipelines)):
            (self.conf / folder).mkdir(parents=True, exist_ok=True)
            for name, text in content.items():
                self.write(f"{folder}/{name}.yaml", text)
        for name, text in (files or {}).items():
            self.write(name, text)
        if start:
            self.start()

    def write(self, name, text):
        """A file of the configuration."""
        path = self.conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def settings(self, more=""):
        """Writes sinter.yaml; `more` is further YAML for it."""
        top = f"listen: 127.0.0.1:0\ndata_dir: {self.data}\nplugin_dirs: [{BUILD / 'plugins'}]\n"
        lines = [line for line in top.splitlines() if not any(m.split(":")[0] == line.split(":")[0] for m in more.splitlines())]
        self.write("sinter.yaml", "\n".join(lines) + "\n" + more + "\n")

    # ---- the process ----

    def command(self):
        return [str(BUILD / "bin/sinter"), "serve", "-c", str(self.conf / "sinter.yaml"), "--port-file",
                str(self.port_file), "--http-port-file", str(self.http_port_file), *self.args]

    def start(self, wait=True, prefix=()):
        """Starts it and waits until it serves. `prefix`: a command that runs it, such as strace."""
        self.port_file.unlink(missing_ok=True)
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **self.env}
        if "tsan" in BUILD.name:
            env["TSAN_OPTIONS"] = "ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66 " + env.get("TSAN_OPTIONS", "")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*prefix, *self.command()], stdout=log, stderr=log, env=env)
        if not wait:
            return self
        end = time.monotonic() + START_SECONDS
        while not self.port_file.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"sinter serve ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                self.kill9()
                raise RuntimeError(f"sinter serve does not listen:\n{self.log()}")
            time.sleep(0.02)
        self.address = self.port_file.read_text().strip()
        self.http_address = self.http_port_file.read_text().strip()  # empty without `http: {listen: 127.0.0.1:0}` in settings
        self.channel = self.connect()
        self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        """Until every collection can be searched."""
        health = pb.health_pb2_grpc.HealthStub(self.channel)
        end = time.monotonic() + seconds * SLOW
        while True:
            try:
                r = health.Check(pb.health_pb2.HealthCheckRequest(), timeout=5 * SLOW, wait_for_ready=True)
                if r.status == pb.health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"sinter serve ended with {self.process.returncode}:\n{self.log()}") from None
            if time.monotonic() > end:
                raise RuntimeError(f"not ready:\n{self.log()}")
            time.sleep(0.02)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, expect=0):
        """SIGTERM, then waits for its end; checks the exit code (None: any), which a sanitizer's report changes."""
        if self.process is None:
            return None
        if self.channel:
            self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"sinter serve did not stop:\n{self.log()}") from None
        self.process = self.channel = None
        if expect is not None and code != expect:
            raise AssertionError(f"sinter serve ended with {code}, not {expect}:\n{self.log()}")
        return code

    def kill9(self):
        if self.channel:
            self.channel.close()
        self.process.kill()
        self.process.wait()
        self.process = self.channel = None

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        try:
            if self.process is not None:
                self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    __enter__ = lambda self: self

    def __exit__(self, *ignored):
        self.close()

    def log(self):
        return self.log_path.read_text(errors="replace")

    # ---- speaking to it ----

    def http(self, method, path, body=None, headers=None, timeout=10):
        """One request on a connection of its own: status, headers, body as bytes."""
        c = http.client.HTTPConnection(self.http_address, timeout=timeout * SLOW)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    def json(self, method, request, timeout=10, **headers):
        """A method as JSON over HTTP ("SearchService/Search"): status and the answer; for a list of requests, a list of answers."""
        many = isinstance(request, list)
        text = "".join(json.dumps(q) + "\n" for q in request) if many else json.dumps(request)
        names = {"Content-Type": "application/x-ndjson" if many else "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        path = method if "." in method else f"sinter.v1.{method}"
        status, got, out = self.http("POST", "/" + path, text.encode(), names, timeout)
        if "ndjson" in got.get("content-type", ""):
            return status, [json.loads(line) for line in out.splitlines()]
        return status, json.loads(out)

    def connect(self, **options):
        """A connection of its own (gRPC shares them by address otherwise)."""
        all_ = {"grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1,
                "grpc.enable_retries": 0, **options}
        return grpc.insecure_channel(self.address, options=list(all_.items()))

    def stub(self, service, channel=None):
        """service: Search, Catalog, Event, Recommend, Admin or Health."""
        module = {"Search": pb.search_pb2_grpc, "Catalog": pb.catalog_pb2_grpc, "Event": pb.events_pb2_grpc,
                  "Recommend": pb.recommend_pb2_grpc, "Admin": pb.admin_pb2_grpc, "Health": pb.health_pb2_grpc}[service]
        name = "HealthStub" if service == "Health" else f"{service}ServiceStub"
        return getattr(module, name)(channel or self.channel)

    def search(self, timeout=10, **request):
        return self.stub("Search").Search(pb.search_pb2.SearchRequest(**request), timeout=timeout * SLOW)

    def upsert(self, collection, items, write_id="", batch=500, timeout=60, searchable=False):
        """Stores items; returns the answers. With `searchable`, waits until searches find them."""
        def requests():
            for at in range(0, len(items), batch):
                yield pb.catalog_pb2.UpsertItemsRequest(
                    collection=collection, items=items[at:at + batch],
                    write_id=f"{write_id}/{at}" if write_id and len(items) > batch else write_id)
        answers = list(self.stub("Catalog").UpsertItems(requests(), timeout=timeout * SLOW))
        if searchable:
            sequence = max((a.sequence for a in answers), default=0)
            if sequence:
                self.search(collection=collection, page_size=1, after_sequence=sequence, timeout=timeout)
        return answers

    def delete(self, collection, ids, write_id="", timeout=10):
        return self.stub("Catalog").DeleteItems(
            pb.catalog_pb2.DeleteItemsRequest(collection=collection, ids=ids, write_id=write_id), timeout=timeout * SLOW)

    def get(self, collection, ids, fields=(), timeout=10):
        return self.stub("Catalog").GetItems(
            pb.catalog_pb2.GetItemsRequest(collection=collection, ids=ids, fields=fields), timeout=timeout * SLOW)

    def list(self, collection, timeout=60, **request):
        """Items of ListItems, all pages."""
        pages = self.stub("Catalog").ListItems(
            pb.catalog_pb2.ListItemsRequest(collection=collection, **request), timeout=timeout * SLOW)
        return [i for p in pages for i in p.items]

    def record(self, *events, timeout=30):
        """Stores events; returns the answer."""
        return self.stub("Event").RecordEvents(pb.events_pb2.RecordEventsRequest(events=events), timeout=timeout * SLOW)

    def sinter(self, *words, **more):
        """The command, told of this server."""
        return sinter(*words, "--server", self.address, **more)

    def status(self, timeout=10):
        return self.stub("Admin").GetStatus(pb.admin_pb2.GetStatusRequest(), timeout=timeout * SLOW)

    def counters(self):
        return dict(self.status().counters)

    def wait_impressions(self, seconds=10):
        """Impressions are written behind the answers: waits until those of all answers are on disk."""
        until(lambda: not self.counters()["impressions_pending"], seconds, lambda: "impressions are not on disk")

    def reload(self, dry_run=False, timeout=60, **more):
        return self.stub("Admin").Reload(pb.admin_pb2.ReloadRequest(dry_run=dry_run, **more), timeout=timeout * SLOW)


class Case(unittest.TestCase):
    def assert_fails(self, code, call, *args, **kwargs):
        """The RpcError of a call that must fail with `code` ("INVALID_ARGUMENT" …)."""
        with self.assertRaises(grpc.RpcError) as caught:
            r = call(*args, **kwargs)
            list(r) if hasattr(r, "__iter__") else r
        self.assertEqual(caught.exception.code().name, code, caught.exception.details())
        return caught.exception

    def assert_refused(self, field, fix, call, *args, **kwargs):
        """The call must fail for what `field` of the request holds, and its text tell of `fix`."""
        e = self.assert_fails("INVALID_ARGUMENT", call, *args, **kwargs)
        self.assertEqual(details(e, pb.error_details_pb2.BadRequest).field_violations[0].field, field)
        self.assertIn(fix, e.details())


class ServerCase(Case):
    """One server for the tests of a class. Set COLLECTIONS, PIPELINES (None: the little shop), SETTINGS, FILES."""

    COLLECTIONS = None
    PIPELINES = None
    SETTINGS = ""
    FILES = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.COLLECTIONS, cls.PIPELINES, cls.SETTINGS, cls.FILES)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()


def main():
    """For the end of a test module: runs it, in the order written."""
    unittest.main(verbosity=2)
