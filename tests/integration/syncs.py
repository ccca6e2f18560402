# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what strace saw of a server and tells for which writes the answer left before the record was safe on disk.

A write is known by two marks: its write id, which stands in its record, and the request id of its answer, which stands in
the bytes that the socket was given. LMDB makes a record count in three steps, each of which must have ended before the
answer may start to leave: the page with the record is written, the file is synced, and then a meta page is written, either
through a descriptor opened O_DSYNC or followed by another sync. strace prints a call where it begins and, when others came
between, once more where it ends; both places are kept."""
import bisect
import itertools
import re

TRACE = "open,openat,pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,msync,sendmsg,sendto"
# -D: strace is the server's grandchild, so that a signal to what was started reaches the server itself.
COMMAND = ["strace", "-D", "-f", "--seccomp-bpf", "-x", "-yy", "-s", "1048576", "-e", f"trace={TRACE}", "-o"]

PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", re.S)
PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
META_END = 2 * 4096  # the two meta pages
META_MOST = 4096


class Call:
    """One system call: where it began and ended in the trace (lines), its text."""

    def __init__(self, name, text, line):
        self.name, self.text, self.begin, self.end, self.result = name, text, line, None, None

    @property
    def descriptor(self):
        m = re.match(r"\w+\((\d+)<", self.text)
        return int(m.group(1)) if m else None

    @property
    def path(self):
        m = re.match(r"\w+\(\d+<([^>]*)", self.text)
        return m.group(1) if m else ""

    @property
    def data(self):
        out = b""
        for piece, cut in PIECE.findall(self.text):
            if cut:
                raise ValueError(f"line {self.begin}: strace shortened the bytes of {self.name}")
            out += ESCAPE.sub(unescape, piece.encode())
        return out

    @property
    def offset(self):
        m = re.search(r", (\d+)\s*\)\s*=[^\"]*$", self.text)
        return int(m.group(1)) if m and self.name.startswith("pwrite") else None


def unescape(match):
    code = match.group(1)
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code.isdigit():
        return bytes([int(code, 8)])
    return PLAIN.get(code, code)


def parse(lines):
    """The calls of a trace, in the order in which they began; those that never ended or failed have end None."""
    calls, pending = [], {}
    for number, line in enumerate(lines):
        m = re.match(r"(\d+)\s+(?:<\.\.\. (\w+) resumed>|(\w+)\()", line)
        if not m:
            continue
        thread, resumed, name = m.groups()
        ended = re.search(r"\)\s+= (-?\d+|0x[0-9a-f]+)([^\"]*)$", line)
        if resumed:
            call = pending.pop((thread, resumed), None)
            if call is None:
                continue
            call.text = call.text.replace("<unfinished ...>", "") + line[line.index("resumed>") + 8:]
        else:
            call = Call(name, line[m.end() - len(name) - 1:], number)
            calls.append(call)
            if line.endswith("<unfinished ...>"):
                pending[thread, name] = call
                continue
        if ended and not ended.group(1).startswith("-"):
            call.end, call.result = number, int(ended.group(1), 0)
    return calls


class Trace:
    def __init__(self, lines, journal="journal/catalogue/data.mdb"):
        self.calls = parse(lines)
        self.writes, self.syncs, self.metas, sends = [], [], [], {}
        durable = set()  # descriptors of the journal whose writes are syncs
        for c in self.calls:
            if c.name in ("open", "openat"):
                if c.end is not None:
                    durable.discard(c.result)
                    if journal in c.text and re.search(r"\bO_D?SYNC\b", c.text):
                        durable.add(c.result)
            elif c.name in ("fsync", "fdatasync", "msync"):
                if journal in c.path and c.end is not None:
                    self.syncs.append(c)
            elif c.name in ("sendmsg", "sendto", "write", "writev") and "TCP" in c.path:
                sends.setdefault(c.descriptor, []).append((c.begin, c.data))
            elif journal in c.path and c.end is not None:
                data = c.data
                self.writes.append((c, data))
                if c.offset is not None and c.offset < META_END and len(data) < META_MOST:
                    self.metas.append((c, c.descriptor in durable))
        # Bytes of each connection, with where each send of them began.
        self.sent = [(b"".join(data for _, data in all_), list(itertools.accumulate(len(data) for _, data in all_)), [at for at, _ in all_])
                     for all_ in sends.values()]

    def left(self, answer):
        """Where an answer began to leave: the earliest send that holds its first byte. None: it never did."""
        for stream, ends, begins in self.sent:
            at = stream.find(answer)
            if at >= 0:
                return begins[bisect.bisect_right(ends, at)]
        return None

    def safe(self, mark):
        """Where the first record with this mark was safe; a reason instead when it never was."""
        written = next((c for c, data in self.writes if mark in data), None)
        if written is None:
            return "no write to the journal holds its record"
        synced = next((s for s in self.syncs if s.begin > written.end), None)
        if synced is None:
            return "no sync follows the write of its record"
        for meta, durable in self.metas:
            if meta.begin > synced.end:
                if durable:
                    return meta.end
                after = next((s for s in self.syncs if s.begin > meta.end), None)
                if after:
                    return after.end
        return "no synced meta page follows the sync of its record"

    def problems(self, pairs):
        """What is wrong with (write id, request id of its answer), a line each."""
        out = []
        for mark, answer in pairs:
            left, safe = self.left(answer.encode()), self.safe(mark.encode())
            if left is None:
                out.append(f"{mark}: its answer is nowhere in the trace")
            elif isinstance(safe, str):
                out.append(f"{mark}: answered at line {left + 1}, {safe}")
            elif left < safe:
                out.append(f"{mark}: answered at line {left + 1}, safe at line {safe + 1} only")
        return out
