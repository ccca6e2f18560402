# SPDX-License-Identifier: Apache-2.0
"""A client of the Sinter search server in a page: connection, stubs, deadlines, retries, error details. Copy it.

    sinter = Sinter("127.0.0.1:7700")
    answer = sinter.call(sinter.search.Search, SearchRequest(collection="shop", query="red shoe"), seconds=1)

Needs grpcio and protobuf. The stubs are made from the .proto files at the first use, by protoc with its Python plugin (Debian:
protobuf-compiler, protobuf-compiler-grpc) or by pip's grpcio-tools; a program of your own would make them when it is built.
"""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import grpc

HERE = pathlib.Path(__file__).resolve().parent


def proto_folder():
    """Where the .proto files are: $SINTER_PROTO, this source tree, or what sinter-dev installed."""
    places = [os.environ.get("SINTER_PROTO"), HERE.parents[2] / "proto", "/usr/share/sinter/proto"]
    return next(pathlib.Path(p) for p in places if p and (pathlib.Path(p) / "sinter/v1/search.proto").exists())


def make_stubs():
    """Python modules of the API, in a folder that goes with the program."""
    protos, out = proto_folder(), pathlib.Path(tempfile.mkdtemp(prefix="sinter-stubs-"))
    details = protos / "interop" if (protos / "interop").exists() else protos  # installed, both have one root
    files = [*sorted((protos / "sinter/v1").glob("*.proto")), details / "google/rpc/status.proto", details / "google/rpc/error_details.proto"]
    roots = [f"-I{details}", f"-I{protos}"]
    out_options = [f"--python_out={out}", f"--grpc_python_out={out}"]
    plugin = shutil.which("grpc_python_plugin")
    if plugin and shutil.which("protoc"):
        command = ["protoc", *roots, "-I/usr/include", *out_options, f"--plugin=protoc-gen-grpc_python={plugin}"]
    else:
        command = [sys.executable, "-m", "grpc_tools.protoc", *roots, *out_options]
    subprocess.run([*command, *map(str, files)], check=True)
    import google
    google.__path__ = [*google.__path__, str(out / "google")]  # google.rpc stands beside the installed google.protobuf
    sys.path.insert(0, str(out))
    return out


_stubs = make_stubs()
import atexit  # noqa: E402
atexit.register(shutil.rmtree, _stubs, ignore_errors=True)
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from sinter.v1 import admin_pb2_grpc, catalog_pb2_grpc, events_pb2_grpc, search_pb2_grpc  # noqa: E402


class Refused(Exception):
    """What the server said: code, text, the fields that were wrong, and after how many seconds to come back."""

    def __init__(self, error):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code, self.fields, self.retry_after = error.code(), [], None
        packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        for detail in status_pb2.Status.FromString(packed).details if packed else ():
            bad, wait = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
            if detail.Unpack(bad):
                self.fields += [(v.field, v.description) for v in bad.field_violations]
            if detail.Unpack(wait):
                self.retry_after = wait.retry_delay.seconds + wait.retry_delay.nanos / 1e9


class Sinter:
    def __init__(self, address=None):
        self.address = address or os.environ.get("SINTER_SERVER", "127.0.0.1:7700")
        self.channel = grpc.insecure_channel(self.address, options=[("grpc.enable_retries", 0)])
        self.search = search_pb2_grpc.SearchServiceStub(self.channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(self.channel)
        self.events = events_pb2_grpc.EventServiceStub(self.channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)

    def call(self, method, request, seconds=5.0):
        """One answer within `seconds`, all tries together. Waits as long as the server says, or a little longer each time. For reads, and
        writes with a write_id or event_id: those may be sent again."""
        end, wait = time.monotonic() + seconds, 0.05
        while True:
            try:
                return method(request, timeout=max(0.001, end - time.monotonic()))
            except grpc.RpcError as error:
                refused = Refused(error)
            pause = refused.retry_after or wait * random.uniform(0.5, 1.5)
            if not (refused.retry_after or refused.code == grpc.StatusCode.UNAVAILABLE) or time.monotonic() + pause >= end:
                raise refused
            time.sleep(pause)
            wait = min(2 * wait, 2)
