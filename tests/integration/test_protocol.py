# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client that errs, or attacks, gets on the wire: a clear status, and a server that goes on."""
import struct
import unittest

import grpc
import harness
from harness import pb

SEARCH = "/sinter.v1.SearchService/Search"


def raw(channel, path, *messages, timeout=10):
    """Sends bytes as they are and returns the answer's bytes."""
    call = channel.stream_unary(path, request_serializer=lambda b: b, response_deserializer=lambda b: b)
    return call(iter(messages), timeout=timeout * harness.SLOW)


class Protocol(harness.ServerCase):
    SETTINGS = "limits: {max_message: 64KiB, max_unpack: 256KiB}"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.upsert("shop", [harness.item("1", title="red shoe", price=3.5)], searchable=True)

    def assert_alive(self):
        self.assertEqual([h.id for h in self.server.search(collection="shop", query="shoe").hits], ["1"])

    def test_a_call_without_a_message_is_invalid_and_harms_nobody(self):
        for path in (SEARCH, "/sinter.v1.CatalogService/GetItems", "/sinter.v1.AdminService/GetStatus",
                     "/grpc.health.v1.Health/Check", "/sinter.v1.CatalogService/ListItems"):
            with self.subTest(path):
                e = self.assert_fails("INVALID_ARGUMENT", raw, self.server.channel, path)
                self.assertIn("no message", e.details())
        self.assert_alive()

    def test_unknown_methods_are_unimplemented_at_once(self):
        for path in ("/sinter.v1.SearchService/Serach", "/no.such.Service/Method", "/x"):
            with self.subTest(path):
                e = self.assert_fails("UNIMPLEMENTED", raw, self.server.channel, path, b"", timeout=5)
                self.assertIn(path, e.details())
        e = self.assert_fails("UNIMPLEMENTED", raw, self.server.channel, "/sinter.v1.SearchService/Serach", b"")
        self.assertIn("did you mean '/sinter.v1.SearchService/Search'", e.details())

    def test_a_second_message_to_a_unary_method_changes_nothing(self):
        q = pb.search_pb2.SearchRequest(collection="shop", query="shoe").SerializeToString()
        r = pb.search_pb2.SearchResponse.FromString(raw(self.server.channel, SEARCH, q, b"\xff\xff\xff"))
        self.assertEqual([h.id for h in r.hits], ["1"])

    def test_malformed_messages_are_invalid(self):
        for name, wire in (("cut", b"\x0a\x7fabc"), ("wire type", b"\x0f\x00"), ("varint", b"\x28" + b"\xff" * 11),
                           ("noise", bytes(range(256)))):
            with self.subTest(name):
                e = self.assert_fails("INVALID_ARGUMENT", raw, self.server.channel, SEARCH, wire)
                self.assertIn("sinter.v1.SearchRequest", e.details())
        self.assert_alive()

    def test_strings_must_be_utf8_without_nul_and_the_path_is_told(self):
        bad = b"sho\xffe"
        e = self.assert_fails("INVALID_ARGUMENT", raw, self.server.channel, SEARCH, b"\x0a\x04shop\x12" + bytes([len(bad)]) + bad)
        violation = harness.details(e, pb.error_details_pb2.BadRequest).field_violations[0]
        self.assertEqual(violation.field, "query")
        self.assertIn("UTF-8 at byte 3", violation.description)
        with self.assertRaises(grpc.RpcError) as caught:
            self.server.search(collection="shop", query="shoe\0hat")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("NUL character at byte 4", caught.exception.details())
        q = pb.search_pb2.SearchRequest(collection="shop")
        q.user.attributes["level\0"].string_value = "x"
        e = self.assert_fails("INVALID_ARGUMENT", self.server.stub("Search").Search, q, timeout=10)
        self.assertIn("user.attributes[0].key", e.details())

    def test_an_oversized_message_is_refused_by_size(self):
        e = self.assert_fails("RESOURCE_EXHAUSTED", self.server.search, collection="shop", query="x" * 70000)
        self.assertIn("larger than max", e.details())
        self.assert_alive()

    def test_a_message_that_unpacks_to_much_more_is_refused(self):
        wire = b"\x0a\x04shop" + b"\x4a\x00" * 20000  # 20,000 empty facets
        e = self.assert_fails("RESOURCE_EXHAUSTED", raw, self.server.channel, SEARCH, wire)
        self.assertIn("unpack", e.details())
        self.assertIsNotNone(harness.details(e, pb.error_details_pb2.RetryInfo))
        self.assert_alive()

    def test_errors_carry_rich_details(self):
        e = self.assert_fails("INVALID_ARGUMENT", self.server.search, collection="shop", query="shoe", filter="price >")
        violation = harness.details(e, pb.error_details_pb2.BadRequest).field_violations[0]
        self.assertTrue(violation.field.startswith("filter"), violation.field)
        self.assertTrue(violation.description)
        e = self.assert_fails("NOT_FOUND", self.server.search, collection="shpo", query="shoe")
        self.assertIn("shop", e.details())

    def test_methods_not_built_yet_are_unimplemented_and_named(self):
        unbuilt = {
            "Recommend": ["Recommend"],
        }
        for service, methods in unbuilt.items():
            for m in methods:
                path = f"/sinter.v1.{service}Service/{m}"
                with self.subTest(path):
                    e = self.assert_fails("UNIMPLEMENTED", raw, self.server.channel, path, b"")
                    self.assertIn(f"{m} is not built yet", e.details())

    def test_a_write_that_does_not_exist_yet_cannot_be_waited_for(self):
        e = self.assert_fails("INVALID_ARGUMENT", self.server.search, collection="shop", query="shoe", after_sequence=10**9)
        self.assertIn("after_sequence", e.details())

    def test_a_stream_of_broken_frames_leaves_others_alone(self):
        """Bytes that are no HTTP/2 at all, on a connection of their own."""
        import socket
        host, port = self.server.address.rsplit(":", 1)
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0xFFFFFFFF) * 64, b"\0" * 4096):
            with socket.create_connection((host, int(port)), timeout=5) as s:
                s.sendall(noise)
                s.settimeout(0.3)
                try:
                    while s.recv(4096):
                        pass
                except OSError:
                    pass
        self.assert_alive()


class Health(harness.ServerCase):
    def check(self, service=""):
        return self.server.stub("Health").Check(pb.health_pb2.HealthCheckRequest(service=service), timeout=10).status

    def test_check_knows_every_service_and_no_other(self):
        serving = pb.health_pb2.HealthCheckResponse.SERVING
        for service in ("", "sinter.v1.SearchService", "sinter.v1.CatalogService", "grpc.health.v1.Health"):
            self.assertEqual(self.check(service), serving, service)
        self.assert_fails("NOT_FOUND", self.check, "sinter.v1.Nothing")

    def test_watch_tells_at_once_and_an_unknown_service_so(self):
        for service, expected in (("", "SERVING"), ("sinter.v1.Nothing", "SERVICE_UNKNOWN")):
            watch = self.server.stub("Health").Watch(pb.health_pb2.HealthCheckRequest(service=service), timeout=10)
            self.assertEqual(pb.health_pb2.HealthCheckResponse.ServingStatus.Name(next(watch).status), expected)
            watch.cancel()


class Reflection(harness.ServerCase):
    def ask(self, version, *questions):
        m, g = (pb.reflection_pb2, pb.reflection_pb2_grpc) if version == "v1" else (pb.alpha_pb2, pb.alpha_pb2_grpc)
        stub = g.ServerReflectionStub(self.server.channel)
        return list(stub.ServerReflectionInfo(iter([m.ServerReflectionRequest(**q) for q in questions]), timeout=10))

    def test_services_are_listed_in_both_versions(self):
        for version in ("v1", "v1alpha"):
            names = {s.name for s in self.ask(version, {"list_services": "*"})[0].list_services_response.service}
            self.assertEqual(names, {
                "sinter.v1.SearchService", "sinter.v1.RecommendService", "sinter.v1.CatalogService", "sinter.v1.EventService",
                "sinter.v1.AdminService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection"})

    def test_every_symbol_of_every_service_builds_in_a_fresh_pool(self):
        from google.protobuf import descriptor_pb2, descriptor_pool
        for version in ("v1", "v1alpha"):
            services = [s.name for s in self.ask(version, {"list_services": ""})[0].list_services_response.service]
            answers = self.ask(version, *({"file_containing_symbol": s} for s in services))
            self.assertEqual(len(answers), len(services))
            for service, answer in zip(services, answers):
                pool = descriptor_pool.DescriptorPool()
                for wire in reversed(answer.file_descriptor_response.file_descriptor_proto):
                    f = descriptor_pb2.FileDescriptorProto.FromString(wire)
                    pool.Add(f)
                found = pool.FindServiceByName(service)
                for method in found.methods:
                    self.assertTrue(method.input_type.full_name and method.output_type.full_name)

    def test_symbols_of_all_kinds_are_found_by_their_full_name(self):
        for symbol in ("sinter.v1.SearchRequest", "sinter.v1.SearchRequest.query", "sinter.v1.SearchService.Search",
                       "sinter.v1.Explain", "sinter.v1.EXPLAIN_FULL", "sinter.v1.Degraded.Code",
                       "sinter.v1.Degraded.CODE_LATE", "sinter.v1.Value.kind", "google.protobuf.Timestamp"):
            answer = self.ask("v1", {"file_containing_symbol": symbol})[0]
            self.assertTrue(answer.file_descriptor_response.file_descriptor_proto, symbol)
            self.assertEqual(answer.original_request.file_containing_symbol, symbol)

    def test_files_by_name_and_what_is_unknown(self):
        a, b, c, d = self.ask("v1", {"file_by_filename": "sinter/v1/search.proto"}, {"file_by_filename": "no.proto"},
                              {"file_containing_symbol": "sinter.v1.Nothing"},
                              {"all_extension_numbers_of_type": "sinter.v1.Item"})
        self.assertEqual(len(a.file_descriptor_response.file_descriptor_proto), 4)  # with types, duration, timestamp
        self.assertEqual((b.error_response.error_code, c.error_response.error_code), (5, 5))
        self.assertEqual(list(d.all_extension_numbers_response.extension_number), [])

    def test_a_question_that_asks_nothing_is_invalid(self):
        self.assert_fails("INVALID_ARGUMENT", self.ask, "v1", {})


if __name__ == "__main__":
    harness.main()
