# SPDX-License-Identifier: GPL-3.0-or-later
"""`cmake --install`: what lies where, that the installed server finds it, and that manual and completion say what the program says."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import harness
import installed
from harness import SANITIZED, SLOW, SOURCE


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60 * SLOW, stdin=subprocess.DEVNULL, **more)


class Installed(harness.Server):
    """The server of the prefix with the configuration of the prefix, on any port."""

    def __init__(self, prefix):
        super().__init__(collections={}, pipelines={}, start=False)
        shutil.rmtree(self.conf)
        shutil.copytree(prefix / "etc/sinter", self.conf)
        text = (self.conf / "sinter.yaml").read_text().replace("listen: 127.0.0.1:7700", "listen: 127.0.0.1:0")
        (self.conf / "sinter.yaml").write_text(text.replace(f"data_dir: {prefix}/var/lib/sinter", f"data_dir: {self.data}"))
        self.program = prefix / "bin/sinter"

    def command(self):
        return [str(self.program), *super().command()[1:]]


class Tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = installed.prefix()

    def files(self):
        return {str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*") if p.is_file()}

    def test_everything_has_its_place(self):
        files = self.files()
        library = next(iter(f for f in files if f.endswith("/pkgconfig/sinter-plugin.pc"))).removesuffix("/pkgconfig/sinter-plugin.pc")
        plugins = {p.parent.name for p in (SOURCE / "plugins").glob("*/*.c")}
        wanted = {"bin/sinter", "include/sinter/plugin.h", "include/sinter/status.h", "share/sinter/plugin.map",
                  "share/sinter/proto/sinter/v1/search.proto", "share/sinter/proto/google/rpc/status.proto", "share/man/man1/sinter.1",
                  "share/bash-completion/completions/sinter", "lib/systemd/system/sinter.service", "etc/sinter/sinter.yaml",
                  "etc/sinter/collections/items.yaml", "etc/sinter/pipelines/items.yaml", "share/doc/sinter/operating.md",
                  "share/doc/sinter/examples/pipelines/shop.yaml", "share/doc/sinter-dev/plugins/example/example.c",
                  f"{library}/cmake/SinterPlugin/SinterPluginConfig.cmake", *(f"{library}/sinter/plugins/{p}.so" for p in plugins)}
        self.assertEqual(wanted - files, set())
        self.assertFalse([f for f in files if "storage" in f or "node_modules" in f or "/tests/" in f])
        headers = {f for f in files if f.startswith("include/")}
        self.assertEqual(headers, {f"include/sinter/{p.name}" for p in (SOURCE / "include/sinter").iterdir()})

    def test_protos_compile_from_one_root(self):
        root = self.prefix / "share/sinter/proto"
        with tempfile.NamedTemporaryFile() as out:
            done = run("protoc", f"-I{root}", "-I/usr/include", f"--descriptor_set_out={out.name}",
                       *(str(p.relative_to(root)) for p in root.rglob("*.proto")), cwd=root)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_headers_compile_alone_as_c_and_cxx(self):
        flags = run("pkg-config", "--cflags", "sinter-plugin", env=installed.environment()).stdout.split()
        for compiler, standard in (("cc", "c11"), ("cc", "c17"), ("c++", "c++11"), ("c++", "c++17")):
            with tempfile.NamedTemporaryFile("w", suffix=".c" if compiler == "cc" else ".cc") as source:
                source.write("#include <sinter/plugin.h>\nint main(void) { return SINTER_ABI_MAJOR == 0; }\n")
                source.flush()
                done = run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", *flags, source.name)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_second_install_leaves_the_operators_configuration(self):
        path = self.prefix / "etc/sinter/pipelines/items.yaml"
        old = path.read_text()
        path.write_text(old + "# mine\n")
        try:
            done = run("cmake", "--install", harness.BUILD, "--prefix", self.prefix, "--component", "server")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Left as it is", done.stdout)
            self.assertEqual(path.read_text(), old + "# mine\n")
        finally:
            path.write_text(old)

    def test_the_installed_configuration_is_found_and_fine(self):
        done = run(self.prefix / "bin/sinter", "serve", "--check", cwd="/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(self.prefix / "etc/sinter/sinter.yaml"), done.stdout)
        self.assertIn(f"data_dir: {self.prefix}/var/lib/sinter", (self.prefix / "etc/sinter/sinter.yaml").read_text())
        listed = run(self.prefix / "bin/sinter", "plugin", "list", cwd="/")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn("fusion ", listed.stdout)

    def test_a_configuration_in_the_working_directory_comes_first(self):
        done = run(self.prefix / "bin/sinter", "serve", "--check", cwd=SOURCE)
        self.assertIn(str(SOURCE / "config/sinter.yaml"), done.stdout + done.stderr)


class Serving(unittest.TestCase):
    def test_as_installed_it_takes_items_and_answers(self):
        with Installed(installed.prefix()) as server:
            server.start()
            server.upsert("items", [harness.item("1", title="red shoe", in_stock=False), harness.item("2", title="red shoe", in_stock=True),
                                    harness.item("3", title="blue hat")], searchable=True)
            answer = server.search(collection="items", query="red shoes", explain="EXPLAIN_SCORES")
            self.assertEqual([h.id for h in answer.hits], ["2", "1"])  # the rule of the installed configuration
            self.assertFalse(answer.degraded)
            plugins = {p.name: p.file for p in server.status().plugins}
            self.assertEqual(set(plugins), {"function", "fusion", "rules"})
            for path in plugins.values():
                self.assertTrue(path.startswith(str(installed.prefix())), path)

    def test_reload_by_the_configuration_as_the_unit_does(self):
        with Installed(installed.prefix()) as server:
            server.start()
            config, path = server.conf / "sinter.yaml", server.conf / "pipelines/items.yaml"
            reload = lambda *more: run(server.program, "reload", "-c", config, *more)
            path.write_text(path.read_text().replace("keep: 200", "keep: 100"))
            done = reload("--server", server.address)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("pipeline", done.stdout)
            path.write_text(path.read_text().replace("keep: 100", "keep: no"))
            done = reload("--server", server.address)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"pipelines/items.yaml:\d+:\d+: ")
            path.write_text(path.read_text().replace("keep: no", "keep: 100"))
            config.write_text(config.read_text().replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1"))
            done = reload()  # the address is that of the file
            self.assertEqual(done.returncode, 3)
            self.assertIn("127.0.0.1:1", done.stderr)

    def test_it_tells_the_service_manager(self):
        with tempfile.TemporaryDirectory() as tmp, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"{tmp}/notify")
            manager.settimeout(30 * SLOW)
            with harness.Server(start=False, env={"NOTIFY_SOCKET": f"{tmp}/notify"}) as server:
                server.start()
                self.assertEqual(manager.recv(100), b"READY=1")
                server.stop()
                self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_and_by_an_abstract_name(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0sinter-test-{os.getpid()}")
            manager.settimeout(30 * SLOW)
            with harness.Server(start=False, env={"NOTIFY_SOCKET": f"@sinter-test-{os.getpid()}"}) as server:
                server.start()
                self.assertEqual(manager.recv(100), b"READY=1")


class Unit(unittest.TestCase):
    """The systemd unit, where systemd's tools are."""

    @classmethod
    def setUpClass(cls):
        cls.unit = installed.prefix() / "lib/systemd/system/sinter.service"

    def test_it_names_what_was_installed(self):
        text = self.unit.read_text()
        for path in re.findall(r"^Exec\w+=(\S+)", text, re.M):
            self.assertTrue(os.access(path, os.X_OK), path)
        config = re.search(r"^ExecStart=\S+ serve -c (\S+)$", text, re.M)
        self.assertTrue(pathlib.Path(config[1]).exists(), config[1])
        self.assertIn("\nType=notify\n", text)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_finds_no_fault_and_it_is_confined(self):
        done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", self.unit)
        problems = [line for line in (done.stdout + done.stderr).splitlines() if "sinter.service" in line]
        self.assertEqual((done.returncode, problems), (0, []), done.stderr)
        # 10 is a service with no protection at all; below 2 it calls "OK".
        done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", self.unit)
        self.assertEqual(done.returncode, 0, done.stdout[-1500:] + done.stderr)


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = installed.prefix() / "share/man/man1/sinter.1"
        cls.program = installed.prefix() / "bin/sinter"

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_it_is_a_page_without_fault_and_leaves_out_nothing_of_help(self):
        done = run("groff", "-man", "-Tutf8", "-K", "utf8", "-P", "-cbou", "-rLL=200n", "-ww", self.page)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        squeeze = lambda text: re.sub(r"[\s‐‑-]+", "", text)  # a line may be broken at a hyphen
        page = squeeze(done.stdout)
        names = re.findall(r"^  ([a-z-]+) {2,}", run(self.program, "--help").stdout, re.M)
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertIn(f"\nsinter {name}\n".replace("\n", ""), re.sub(r" +", " ", done.stdout))
            lines = [] if name == "version" else run(self.program, name, "--help").stdout.splitlines()
            for line in lines:
                for part in re.split(r" {3,}", line.strip()):
                    self.assertIn(squeeze(part), page, f"sinter {name} --help: {line!r}")


class Completion(unittest.TestCase):
    """The completion, asked as bash asks it."""

    @classmethod
    def setUpClass(cls):
        cls.prefix = installed.prefix()

    def complete(self, *words, cwd="/", **env):
        """What TAB offers after the last word."""
        quoted = " ".join(f"'{w}'" for w in words)
        script = (f". {self.prefix}/share/bash-completion/completions/sinter\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n"
                  "$(complete -p sinter | sed 's/.*-F \\([^ ]*\\).*/\\1/') \nprintf '%s\\n' \"${COMPREPLY[@]}\"")
        done = run("bash", "--norc", "-c", script, cwd=cwd, env={**installed.environment(), **env})
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_commands(self):
        help_text = run(self.prefix / "bin/sinter", "--help").stdout
        names = set(re.findall(r"^  ([a-z-]+) {2,}", help_text, re.M))
        self.assertEqual(self.complete("sinter", ""), names | {"--help", "--version"})
        self.assertEqual(self.complete("sinter", "sta"), {"status"})

    def test_options_are_those_of_help(self):
        for command in ("search", "train", "serve", "import"):
            text = run(self.prefix / "bin/sinter", command, "--help").stdout
            # Options at the start of a line, where help describes them.
            wanted = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M))
            self.assertEqual(self.complete("sinter", command, "--") - {"--help"}, wanted - {"--help"}, command)
        self.assertEqual(self.complete("sinter", "search", "shop", "--exp"), {"--explain"})
        self.assertIn("--role", self.complete("sinter", "plugin", "new", "--"))

    def test_actions_files_and_roles(self):
        self.assertEqual(self.complete("sinter", "plugin", ""), {"list", "check", "new"} | self.complete("sinter", "plugin", "s"))
        self.assertLessEqual({"generate", "play", "judge"}, self.complete("sinter", "demo", ""))
        self.assertIn("ranker", self.complete("sinter", "plugin", "new", "--role", ""))
        self.assertEqual(self.complete("sinter", "serve", "-c", "config/si", cwd=SOURCE), {"config/sinter.yaml"})
        pipelines = {p.stem for p in (SOURCE / "config/pipelines").glob("*.yaml")}
        self.assertEqual(self.complete("sinter", "search", "shop", "--pipeline", "", cwd=SOURCE), pipelines)

    @unittest.skipIf(SANITIZED, "the program starts too slowly for a completion's second")
    def test_names_from_a_server(self):
        with harness.Server(collections={"shop": harness.SHOP_COLLECTION, "books": harness.SHOP_COLLECTION}) as server:
            offered = lambda *words: self.complete("sinter", *words, SINTER_SERVER=server.address)
            self.assertEqual(offered("search", ""), {"shop", "books"})
            self.assertEqual(offered("import", "bo"), {"books"})
            host, port = server.address.split(":")
            self.assertEqual(self.complete("sinter", "search", "--server", host, ":", port, "sh"), {"shop"})
        self.assertEqual(self.complete("sinter", "search", "", SINTER_SERVER="127.0.0.1:1"), set())


class Container(unittest.TestCase):
    """It cannot be built here without a registry: what it names is there."""

    def test_what_it_names_exists(self):
        text = (SOURCE / "config/Containerfile").read_text()
        self.assertEqual(re.findall(r"^FROM (\S+)", text, re.M), ["debian:12-slim", "debian:12-slim"])
        for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.M):
            self.assertTrue((SOURCE / source).exists(), source)
        for part in re.findall(r"config/\S+\.sh|cmake --preset \w+", text):
            if part.startswith("config/"):
                self.assertTrue((SOURCE / part).exists(), part)
            else:
                self.assertIn(part.split()[-1], (SOURCE / "CMakePresets.json").read_text())
        for name in re.findall(r"\$(PACKAGES_\w+)", text):
            self.assertIn(f"{name}=", (SOURCE / "config/packages.sh").read_text())
        user = re.search(r"^USER (\S+)$", text, re.M)[1]
        self.assertIn(user, (SOURCE / "package/debian/postinst").read_text())
        for path in re.findall(r'"(/[a-z/.]+)"', text):
            self.assertTrue(path == "/usr/bin/sinter" or (SOURCE / "package" / path.lstrip("/").replace("etc/sinter", "etc")).exists(), path)

    @unittest.skipUnless(shutil.which("apt-cache"), "apt-cache is not installed")
    def test_its_packages_exist(self):
        names = run("sh", "-c", ". config/packages.sh; echo $PACKAGES_BUILD $PACKAGES_DEB", cwd=SOURCE).stdout.split()
        self.assertGreater(len(names), 15)
        # Installed ones need no look into apt's lists, which takes seconds.
        installed_ = set(re.findall(r"^(\S+) ", run("dpkg-query", "-W", "-f=${Package} \n", *names).stdout, re.M))
        rest = sorted(set(names) - installed_)
        known = set(re.findall(r"^(\S+):$", run("apt-cache", "policy", *rest).stdout, re.M)) if rest else set()
        self.assertEqual(set(rest) - known, set())


if __name__ == "__main__":
    sys.exit(unittest.main())
