# SPDX-License-Identifier: GPL-3.0-or-later
"""No acknowledgement leaves the socket before a completed sync that follows its record: seen from outside, by strace.

Built with SINTER_NO_SYNC this module fails, and tests/run.sh expects that. It needs ptrace and strace; where tracing
isn't allowed it is skipped."""
import concurrent.futures
import queue
import re
import shutil
import subprocess
import time
import unittest
import uuid

import harness
import syncs
from harness import item, pb

Upsert = pb.catalog_pb2.UpsertItemsRequest
WRITERS, WRITES = 6, 15


def tracing_problem():
    """Why nothing can be traced here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    if "tsan" in harness.BUILD.name or "asan" in harness.BUILD.name:
        return "strace tells the same of the plain build; LeakSanitizer and ptrace exclude each other"
    r = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=30)
    return f"ptrace isn't allowed here, so strace saw nothing: {r.stderr.strip()[:200]}" if r.returncode else None


class Acknowledgement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        problem = tracing_problem()
        if problem:
            raise unittest.SkipTest(problem)
        cls.server = harness.Server(start=False)
        cls.out = cls.server.dir / "strace"
        try:
            cls.server.start(prefix=[*syncs.COMMAND, str(cls.out)])
            cls.alone, cls.together = cls.one_by_one(), cls.at_once()
            cls.server.stop()
            cls.lines = cls.traced()
        except BaseException:
            cls.server.close()
            raise
        cls.trace = syncs.Trace(cls.lines)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    @classmethod
    def traced(cls):
        """The whole trace: strace writes on a little after the server has ended."""
        end = time.monotonic() + 30
        while True:
            lines = cls.out.read_text(errors="replace").splitlines()
            if lines and re.search(r"\+\+\+ exited with", lines[-1]) or time.monotonic() > end:
                return lines
            time.sleep(0.1)

    @classmethod
    def write(cls, name, n, channel=None):
        """`n` upserts on one stream, one outstanding at a time, every third item then deleted: (write id, request id)."""
        stub, pairs, todo = cls.server.stub("Catalog", channel), [], queue.Queue()
        answers = stub.UpsertItems(iter(todo.get, None), timeout=120 * harness.SLOW)
        for i in range(n):
            mark = f"{name}-{i}-{uuid.uuid4().hex}"
            todo.put(Upsert(collection="shop", items=[item(f"{name}-{i}", title=f"shoe {i}")], write_id=mark))
            a = next(answers)
            assert a.accepted == 1, a
            pairs.append((mark, a.request_id))
            if i % 3 == 0:
                mark = f"{name}-{i}-gone-{uuid.uuid4().hex}"
                a = stub.DeleteItems(pb.catalog_pb2.DeleteItemsRequest(collection="shop", ids=[f"{name}-{i}"], write_id=mark),
                                     timeout=60 * harness.SLOW)
                assert a.deleted == 1, a
                pairs.append((mark, a.request_id))
        todo.put(None)
        return pairs

    @classmethod
    def one_by_one(cls):
        return cls.write("alone", WRITES)

    @classmethod
    def at_once(cls):
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            jobs = [pool.submit(cls.write, f"w{k}", WRITES, cls.server.connect()) for k in range(WRITERS)]
            return [p for j in jobs for p in j.result(180 * harness.SLOW)]

    def assert_safe(self, pairs):
        problems = self.trace.problems(pairs)
        self.assertEqual(problems, [], f"{len(problems)} of {len(pairs)} acknowledgements left too early")

    def test_one_by_one(self):
        self.assertEqual(len(self.alone), WRITES * 4 // 3)
        self.assert_safe(self.alone)

    def test_at_once(self):
        self.assertEqual(len(self.together), WRITERS * WRITES * 4 // 3)
        self.assert_safe(self.together)

    def test_writes_at_once_share_syncs(self):
        """Group commit: otherwise the test above would not have looked at answers of one group."""
        if not self.trace.syncs:
            self.fail("the journal was never synced")
        marks = [self.trace.safe(mark.encode()) for mark, _ in self.together]
        self.assertLess(len(set(marks)), len(marks))

    def flagged(self, lines):
        return len(syncs.Trace(lines).problems(self.alone))

    def test_the_check_sees_what_it_should(self):
        """The same trace, with one thing taken away or moved at a time, is no longer accepted."""
        n, last = len(self.alone), max(self.trace.left(answer.encode()) for _, answer in self.alone)
        lines = self.lines[:last + 1]
        self.assertEqual(self.flagged(lines), 0)
        self.assertEqual(self.flagged([x for x in lines if "fdatasync" not in x]), n)
        self.assertEqual(self.flagged([x.replace("O_DSYNC", "O_LARGEFILE").replace("fdatasync(", "getpid(") for x in lines]), n)
        self.assertEqual(self.flagged([x for x in lines if "sendmsg" not in x]), n)
        early = [x for x in lines if "sendmsg" in x] + [x for x in lines if "sendmsg" not in x]
        self.assertEqual(self.flagged(early), n)


if __name__ == "__main__":
    harness.main()
