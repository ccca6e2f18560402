# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP beside gRPC: health, figures, every method as JSON, who may call, and requests that are none."""
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
import unittest

import grpc
from google.protobuf import json_format

import harness
from harness import SLOW, item, pb, until

SETTINGS = """
http: {listen: 127.0.0.1:0, origins: [https://shop.example], hosts: [search.internal], receive: 1500ms, max_connections: 64}
limits: {max_message: 64KiB, max_concurrent: 8}
log: {format: json, slow: 1us}
"""


class HttpCase(harness.ServerCase):
    SETTINGS = SETTINGS

    def raw(self, data, seconds=8):
        """What comes back for bytes on a socket of their own, until the server closes or says nothing more."""
        host, port = self.server.http_address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=seconds * SLOW) as s:
            out = b""
            try:
                s.sendall(data)
                while piece := s.recv(65536):
                    out += piece
            except (ConnectionError, TimeoutError):
                pass
            return out

    def metric(self, name, **labels):
        """The value of one sample, 0 where it is not there."""
        text = self.server.http("GET", "/metrics")[2].decode()
        for line in text.splitlines():
            found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if found and labels.items() <= dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1] or "")).items():
                return float(found[2])
        return 0.0

    def refused(self, method, request, code, rpc_code, **headers):
        status, answer = self.server.json(method, request, **headers)
        self.assertEqual((status, answer["code"]), (code, rpc_code), answer)
        return answer


class Json(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item(str(i), title=f"shoe number {i}", brand="acme", price=float(i), stock=i) for i in range(1, 41)],
                          searchable=True)

    def test_a_search_answers_as_over_grpc(self):
        request = {"collection": "shop", "query": "shoe", "filter": "price > 7", "fields": ["*"], "explain": "EXPLAIN_FULL", "requestId": "r-1"}
        status, answer = self.server.json("SearchService/Search", request)
        self.assertEqual(status, 200)
        wanted = json_format.MessageToDict(self.server.stub("Search").Search(json_format.ParseDict(request, pb.search_pb2.SearchRequest())))
        for one in (answer, wanted):
            one.pop("timings")
        self.assertEqual(answer, wanted)

    def test_both_spellings_of_names_are_taken(self):
        for request in ({"collection": "shop", "pageSize": 3}, {"collection": "shop", "page_size": 3}, {"collection": "shop", "page_size": "3"}):
            self.assertEqual(len(self.server.json("SearchService/Search", request)[1]["hits"]), 3)

    def test_what_is_wrong_is_told_with_its_path(self):
        wrong = {'{"collection":"shop","qury":"x"}': ("qury", 'did you mean "query"?'),
                 '{"user":{"attributes":{"a":{"numberValue":true}}}}': ('user.attributes["a"].number_value', "is not a number"),
                 '{"facets":[{"limit":-1}]}': ("facets[0].limit", "is not a whole number from 0"),
                 '{"explain":"EXPLAIN_FUL"}': ("explain", 'did you mean "EXPLAIN_FULL"?'),
                 '{"timeout":"2"}': ("timeout", "is not a duration"),
                 '{"query":"a","query":"b"}': ("json:1:", "duplicate"),
                 '{"query":"\\u0000"}': ("json:1:", "u0000"),
                 '{"query":"\\ud800"}': ("json:1:", ""),
                 '{"collection":"shop"': ("json:1:", ""),
                 "[]": ("message", "is not an object"),
                 "[" * 300: ("json", "nested deeper")}
        for text, (path, what) in wrong.items():
            with self.subTest(text=text[:60]):
                status, _, body = self.server.http("POST", "/sinter.v1.SearchService/Search", text, {"Content-Type": "application/json"})
                answer = json.loads(body)
                self.assertEqual((status, answer["code"]), (400, 3), answer)
                violation = answer["details"][0]["fieldViolations"][0]
                self.assertTrue(violation["field"].startswith(path), violation)
                self.assertIn(what, violation["description"])

    def test_statuses_become_http_codes_with_the_whole_status_as_body(self):
        self.assertIn("did you mean", self.refused("SearchService/Serch", {}, 404, 5)["message"])
        self.assertIn("shop", self.refused("SearchService/Search", {"collection": "shpo"}, 404, 5)["message"])
        self.refused("SearchService/Search", {"collection": "shop"}, 504, 4, Sinter_Timeout="1us")
        self.refused("SearchService/Search", {"collection": "shop"}, 400, 3, Sinter_Timeout="soon")
        self.refused("SearchService/Search", {"collection": "shop"}, 415, 3, Content_Type="text/plain")
        answer = self.refused("SearchService/Search", {"collection": "shop", "filter": "price >"}, 400, 3)
        self.assertEqual(answer["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest")

    def test_a_timeout_beyond_the_clocks_end_is_none(self):
        for timeout in ("2s", "213503d", "18446744073709551614ns", "18446744073709551615ns"):
            with self.subTest(timeout):
                self.assertEqual(self.server.json("SearchService/Search", {"collection": "shop", "pageSize": 1}, Sinter_Timeout=timeout)[0], 200)

    def test_every_method_is_there(self):
        methods = [(service.full_name, m.name) for file in (pb.search_pb2, pb.recommend_pb2, pb.catalog_pb2, pb.events_pb2, pb.admin_pb2)
                   for service in file.DESCRIPTOR.services_by_name.values() for m in service.methods]
        self.assertGreater(len(methods), 15)
        for service, name in methods:
            with self.subTest(method=name):
                status, _, body = self.server.http("POST", f"/{service}/{name}", "{}", {"Content-Type": "application/json"})
                self.assertNotIn(b"has no method", body)
                self.assertIn(status, (200, 400, 404, 501), body)
                self.assertTrue(all(json.loads(line) is not None for line in body.splitlines()))

    def test_streams_are_lines_both_ways(self):
        lines = [{"collection": "shop" if i == 0 else "", "items": [{"id": f"s{i}", "fields": {"title": {"stringValue": f"boot {i}"}}}, {"id": ""}]}
                 for i in range(100)]
        status, answers = self.server.json("CatalogService/UpsertItems", lines)
        self.assertEqual((status, len(answers)), (200, 100))
        self.assertEqual([a["rejected"][0]["violations"][0]["field"] for a in answers], ["items[1].id"] * 100)
        sequences = [int(a["sequence"]) for a in answers]
        self.assertEqual(sequences, sorted(sequences))
        status, pages = self.server.json("CatalogService/ListItems", {"collection": "shop"})
        ids = [i["id"] for page in pages if isinstance(page, dict) for i in page.get("items", [])] if isinstance(pages, list) else []
        self.assertEqual(status, 200)
        self.assertEqual(len(ids), 140)
        self.server.delete("shop", [f"s{i}" for i in range(100)])

    def test_a_stream_that_fails_says_so_in_its_last_line(self):
        good = {"collection": "shop", "items": [{"id": "x1", "fields": {"title": {"stringValue": "x"}}}]}
        status, answers = self.server.json("CatalogService/UpsertItems", [good, {"itms": []}])
        self.assertEqual(status, 200)
        self.assertEqual(answers[0]["accepted"], 1)
        self.assertEqual(answers[-1]["error"]["code"], 3, answers)
        status, answer = self.server.json("CatalogService/UpsertItems", [{"itms": []}])
        self.assertEqual((status, answer["code"]), (400, 3))
        self.server.delete("shop", ["x1"])

    def test_who_leaves_ends_the_call(self):
        c = http.client.HTTPConnection(self.server.http_address, timeout=10 * SLOW)
        c.request("POST", "/grpc.health.v1.Health/Watch", "{}", {"Content-Type": "application/json"})
        r = c.getresponse()
        self.assertEqual(json.loads(r.readline()), {"status": "SERVING"})
        self.assertEqual(self.metric("sinter_calls_open"), 1)
        r.close()
        c.close()
        until(lambda: self.metric("sinter_calls_open") == 0)

    def test_overload_is_refused_at_once(self):
        hold = []
        stub = self.server.stub("Catalog")

        def idle():
            while not hold:
                time.sleep(0.01)
            yield from ()
        calls = [stub.UpsertItems(idle()) for _ in range(8)]
        try:
            until(lambda: self.metric("sinter_requests_admitted") == 8)
            answer = self.refused("SearchService/Search", {"collection": "shop"}, 429, 8)
            self.assertEqual(answer["details"][0]["@type"], "type.googleapis.com/google.rpc.RetryInfo")
            self.assertEqual(self.server.json("grpc.health.v1.Health/Check", {}), (200, {"status": "SERVING"}))
        finally:
            hold.append(True)
            for c in calls:
                list(c)
        until(lambda: self.metric("sinter_requests_admitted") == 0)

    def test_a_large_body_is_refused_and_the_connection_lives(self):
        big = json.dumps({"collection": "shop", "query": "x" * 70000})
        c = http.client.HTTPConnection(self.server.http_address, timeout=10 * SLOW)
        for _ in range(2):
            c.request("POST", "/sinter.v1.SearchService/Search", big, {"Content-Type": "application/json"})
            r = c.getresponse()
            self.assertEqual((r.status, json.loads(r.read())["code"]), (413, 8))
        c.request("POST", "/sinter.v1.SearchService/Search", iter([big.encode()]), {"Content-Type": "application/json"}, encode_chunked=True)
        r = c.getresponse()
        self.assertEqual((r.status, json.loads(r.read())["code"]), (413, 8))
        many = "[" + ",".join(["0"] * 30000) + "]"
        c.request("POST", "/sinter.v1.SearchService/Search", '{"sort":' + many + "}", {"Content-Type": "application/json"})
        r = c.getresponse()
        self.assertEqual(r.status, 400, r.read())
        c.close()

    def test_after_a_write_its_answer_is_waited_for(self):
        _, answer = self.server.json("CatalogService/UpsertItems", [{"collection": "shop", "items": [
            {"id": "late", "fields": {"title": {"stringValue": "afterwards"}}}]}])
        status, found = self.server.json("SearchService/Search", {"collection": "shop", "query": "afterwards", "afterSequence": answer[0]["sequence"]})
        self.assertEqual((status, [h["id"] for h in found["hits"]]), (200, ["late"]))
        self.server.delete("shop", ["late"])

    def test_impressions_of_json_requests_are_recorded(self):
        before = self.server.counters()["impressions_stored"]
        self.server.json("SearchService/Search", {"collection": "shop", "query": "shoe"})
        until(lambda: self.server.counters()["impressions_stored"] > before)


class Guard(HttpCase):
    def test_pages_of_other_sites_are_refused(self):
        request = {"collection": "shop"}
        own = self.server.http_address
        for origin, allowed in (("https://evil.example", False), ("null", False), ("https://shop.example", True), (f"http://{own}", True),
                                ("https://shop.example.evil.example", False), ("http://shop.example", False)):
            with self.subTest(origin=origin):
                status, headers, body = self.server.http("POST", "/sinter.v1.SearchService/Search", json.dumps(request),
                                                         {"Content-Type": "application/json", "Origin": origin})
                self.assertEqual(status, 200 if allowed else 403, body)
                if not allowed:
                    self.assertNotIn("access-control-allow-origin", headers)
                elif origin.startswith("https"):
                    self.assertEqual(headers["access-control-allow-origin"], origin)

    def test_a_name_that_is_not_ours_is_refused(self):
        for host, allowed in (("evil.example", False), ("localhost:1", True), ("[::1]:5", True), ("10.1.2.3", True), ("search.internal", True)):
            with self.subTest(host=host):
                status, _, body = self.server.http("POST", "/sinter.v1.SearchService/Search", '{"collection":"shop"}',
                                                   {"Content-Type": "application/json", "Host": host})
                self.assertEqual(status, 200 if allowed else 403, body)

    def test_a_browser_may_ask_first(self):
        ask = lambda origin: self.server.http("OPTIONS", "/sinter.v1.SearchService/Search", headers={"Origin": origin})
        status, headers, _ = ask("https://shop.example")
        self.assertEqual((status, headers["access-control-allow-origin"]), (204, "https://shop.example"))
        self.assertIn("Content-Type", headers["access-control-allow-headers"])
        self.assertEqual(ask("https://evil.example")[0], 403)

    def test_other_verbs_and_paths_are_refused(self):
        self.assertEqual(self.server.http("GET", "/sinter.v1.SearchService/Search")[0], 405)
        self.assertEqual(self.server.http("DELETE", "/metrics")[1]["allow"], "GET, HEAD")
        self.assertEqual(self.server.http("GET", "/nothing")[0], 404)
        self.assertEqual(self.server.http("GET", "/../../etc/passwd")[0], 405)
        self.assertEqual(self.server.http("GET", "/" + "a" * 5000)[0], 414)
        status, headers, body = self.server.http("HEAD", "/healthz")
        self.assertEqual((status, headers["content-length"], body), (200, "3", b""))


class Malformed(HttpCase):
    GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    def test_bytes_that_are_no_request_end_the_connection_alone(self):
        post = b"POST /sinter.v1.SearchService/Search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for data in (b"\0" * 300 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                     b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n",
                     b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 9000 + b"\r\n",
                     post + b"Content-Length: -1\r\n\r\n{}", post + b"Content-Length: 99999999999999999999\r\n\r\n{}",
                     post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n"):
            with self.subTest(data=data[:60]):
                out = self.raw(data)
                first = out.split(b"\r\n")[0]
                self.assertFalse(first and not re.match(rb"HTTP/1.[01] (4\d\d|5\d\d)", first), first)
        self.assertIn(b"200 OK", self.raw(self.GOOD))

    def test_requests_in_a_row_are_answered_in_order(self):
        search = b'{"collection":"shop","requestId":"%d"}'
        out = b""
        for i in range(3):
            text = search % i
            out += b"POST /sinter.v1.SearchService/Search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
        got = self.raw(out + self.GOOD)
        self.assertEqual(re.findall(rb'"requestId":"(\d)"', got), [b"0", b"1", b"2"])
        self.assertTrue(got.endswith(b"ok\n"))

    def test_a_client_that_dawdles_is_let_go(self):
        for begin in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc", b"POST /sinter.v1.SearchService/Search HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"):
            with self.subTest(begin=begin[:20]):
                if not begin:
                    continue
                host, port = self.server.http_address.rsplit(":", 1)
                with socket.create_connection((host, int(port)), timeout=10 * SLOW) as s:
                    since = time.monotonic()
                    try:
                        s.sendall(begin)
                        s.settimeout(0.3)
                        while time.monotonic() - since < 8 * SLOW:
                            try:
                                if not s.recv(1000):
                                    break
                            except TimeoutError:
                                s.sendall(b"x")  # never idle
                    except ConnectionError:
                        pass
                    self.assertLess(time.monotonic() - since, 6 * SLOW)
        self.assertGreaterEqual(self.metric("sinter_http_slow_total"), 2)

    def test_more_connections_than_allowed_wait_and_the_server_goes_on(self):
        host, port = self.server.http_address.rsplit(":", 1)
        held = [socket.create_connection((host, int(port)), timeout=10 * SLOW) for _ in range(60)]
        try:
            self.assertIn(b"200 OK", self.raw(self.GOOD))
            self.assertLessEqual(self.metric("sinter_http_connections"), 64)
        finally:
            for s in held:
                s.close()
        until(lambda: self.metric("sinter_http_connections") <= 2)


class Figures(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [item("1", title="red shoe", price=2.0)], searchable=True)

    def test_metrics_are_clean_for_prometheus(self):
        self.server.search(collection="shop", query="shoe")
        status, headers, text = self.server.http("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain; version=0.0.4"))
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "the package prometheus is not installed")
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, b""))

    def test_figures_count_what_happened(self):
        count = lambda: (self.metric("sinter_search_seconds_count", pipeline="shop"), self.metric("sinter_stage_seconds_count", part="words"),
                         self.metric("sinter_requests_total", method="sinter.v1.SearchService/Search", code="OK"),
                         self.metric("sinter_request_seconds_count", method="sinter.v1.SearchService/Search"),
                         self.metric("sinter_zero_results_total", pipeline="shop"))
        before = count()
        for _ in range(5):
            self.server.search(collection="shop", query="shoe")
        self.server.json("SearchService/Search", {"collection": "shop", "query": "nothinglikeit"})
        with self.assertRaises(grpc.RpcError):
            self.server.search(collection="nowhere")
        got = tuple(b - a for a, b in zip(before, until(lambda: count() if count()[2] - before[2] >= 6 else None)))
        self.assertEqual(got, (6, 6, 6, 7, 1))
        self.assertGreaterEqual(self.metric("sinter_requests_total", method="sinter.v1.SearchService/Search", code="NOT_FOUND"), 1)
        self.assertGreater(self.metric("sinter_journal_commit_seconds_count", log="catalogue"), 0)
        self.assertEqual(self.metric("sinter_items", collection="shop"), 1)
        self.assertGreater(self.metric("sinter_memory_bytes", kind="rss_anon"), 1e6)
        self.assertEqual(self.metric("sinter_lanes_busy"), 0)

    def test_reloads_are_counted_and_the_age_begins_again(self):
        before = self.metric("sinter_snapshots_published_total")
        self.server.reload()
        self.assertEqual(self.metric("sinter_snapshots_published_total"), before + 1)
        self.assertLess(self.metric("sinter_snapshot_age_seconds"), 30 * SLOW)

    def test_a_slow_search_is_logged_as_json_with_its_steps(self):
        self.server.search(collection="shop", query="shoe", filter="price < 9", request_id="slow-1")

        def lines():
            found = [json.loads(line) for line in self.server.log().splitlines() if "slow-1" in line]
            return [f for f in found if f["event"] == "search.slow"]
        line = until(lines)[0]
        self.assertEqual((line["request_id"], line["query"], line["filter"], line["pipeline"]), ("slow-1", "shoe", "price < 9", "shop"))
        self.assertGreater(line["milliseconds"], 0)
        self.assertLessEqual({"rewrite", "recall", "stage1.words", "hydrate"}, set(line["steps"]))
        self.assertLessEqual(sum(line["steps"].values()), line["milliseconds"] * 1.01 + 0.01)


class Readiness(unittest.TestCase):
    def test_readiness_says_why_not(self):
        with harness.Server(settings=SETTINGS) as s:
            self.assertEqual(s.http("GET", "/readyz")[::2], (200, b"ready\n"))
            s.upsert("shop", [item(str(i), title=f"shoe {i} of many words indeed {i * 7}") for i in range(4000)])
            s.stop()
            s.args = ["--rebuild-index"]
            s.start(wait=False)
            until(s.port_file.exists, 30)
            s.address, s.http_address = s.port_file.read_text().strip(), s.http_port_file.read_text().strip()
            seen = set()

            def ready():
                status, _, body = s.http("GET", "/readyz")
                seen.add((status, re.sub(rb"\d+", b"N", body)))
                return status == 200
            until(ready, 60)
            self.assertIn(503, {status for status, _ in seen})
            self.assertTrue(any(b"collection shop: index" in body for _, body in seen), seen)
            self.assertEqual(s.http("GET", "/healthz")[0], 200)
            s.channel = s.connect()

    def test_without_http_nothing_listens(self):
        with harness.Server() as s:
            self.assertEqual(s.http_address, "")

    def test_an_address_in_use_is_told(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with self.assertRaisesRegex(RuntimeError, "http.listen: cannot listen on .*Address already in use"):
                harness.Server(settings=f"http: {{listen: 127.0.0.1:{taken.getsockname()[1]}}}")

    def test_a_drain_ends_streams_and_refuses_what_is_new(self):
        with harness.Server(settings=SETTINGS) as s:
            c = http.client.HTTPConnection(s.http_address, timeout=10 * SLOW)
            c.request("POST", "/grpc.health.v1.Health/Watch", "{}", {"Content-Type": "application/json"})
            r = c.getresponse()
            self.assertEqual(json.loads(r.readline()), {"status": "SERVING"})
            s.stop()
            self.assertEqual([json.loads(line)["status"] for line in r.read().splitlines()], ["NOT_SERVING"])
            c.close()


if __name__ == "__main__":
    harness.main()
