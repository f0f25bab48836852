#!/usr/bin/env python3
"""Holds the tree to the rules of docs/ that a compiler does not see.

    check.py [ROOT] [--no-format]

Prints one line for each fault, "path:line: rule: what", then what was inspected. Exit status 1 where
there is a fault, or where a rule found nothing to inspect: a gate that looks at nothing is no gate.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys

LAYERS = {
    "base": 0,
    "model": 1, "config": 1,
    "mapping": 2, "reconcile": 2, "render": 2, "template": 2,
    "io": 3,
    "docker": 4, "registry": 4,
    "agent": 5, "renderer": 5,
    "cli": 6,
}
# Lower layers that a folder may not use all the same.
FORBIDDEN = {
    "docker": {"mapping", "reconcile", "render", "template"},
    "registry": {"mapping", "reconcile", "render", "template"},
}

MAX_LINES = 600
MAX_MEDIAN = 250

UNSAFE = "strcpy strcat sprintf vsprintf strtok atoi atol atoll alloca gets sleep usleep nanosleep"
BLOCKING = "system popen getaddrinfo gethostbyname gethostbyname2 wait waitpid"
ENDING = "exit _exit _Exit quick_exit abort"
MAY_BLOCK = re.compile(r"src/io/netif\.c$")  # one question to the name service, before a loop runs
MAY_END = re.compile(r"src/(cli/.*|base/(must|alloc)\.c)$")

# Third-party headers, and where alone they may be included.
HEADERS = [
    ("curl", re.compile(r"curl/.*"), re.compile(r"src/io/")),
    ("libuv", re.compile(r"uv(/.*)?\.h"), re.compile(r"src/io/")),
    ("cJSON", re.compile(r"(cjson/)?cJSON\.h"), re.compile(r"src/base/json[a-z_]*\.c$")),
]

LOOSE_ENDS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINE_PATHS = re.compile(r"(^|[^\w.])/(" + "|".join(["wo" + "rk", "fa" + "rm", "ro" + "ot"]) + r")/")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def blank_comments_and_strings(text):
    """The same text, line by line, with comments and the insides of literals turned to blanks."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return pattern.sub(blank, text)


class File:
    def __init__(self, root, path):
        self.path = path
        self.folder = path.split("/")[1] if path.startswith("src/") and path.count("/") > 1 else None
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.splitlines()
        self.is_c = path.endswith((".c", ".h"))
        self.code = blank_comments_and_strings(self.text).splitlines() if self.is_c else []

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1), match.group(2)


class Gate:
    def __init__(self, root, check_format=True):
        self.root = root
        self.check_format = check_format
        self.faults = []
        self.inspected = {}
        self.files = [File(root, path) for path in sorted(self.find())]
        self.shipped = [f for f in self.files if f.is_c and f.path.startswith(("src/", "include/"))]

    def find(self):
        for top in ("src", "include", "tests", "contrib", "docs"):
            for folder, subfolders, names in os.walk(os.path.join(self.root, top)):
                subfolders[:] = [s for s in subfolders
                                 if not s.startswith((".", "build")) and s != "__pycache__"]
                inner = os.path.relpath(folder, self.root)
                # Golden data and fuzz input are what others wrote.
                if inner.startswith(("tests/golden", "tests/fuzz/corpus")):
                    continue
                yield from (os.path.join(inner, name) for name in names)

    def fault(self, rule, path, number, what):
        self.faults.append(f"{path}:{number}: {rule}: {what}")

    def looked(self, rule, n=1):
        self.inspected[rule] = self.inspected.get(rule, 0) + n

    # ---- rules: each counts what it looked at ----

    def rule_arrows(self):
        for f in self.shipped:
            if f.folder and f.folder not in LAYERS:
                self.fault("arrows", f.path, 1, f"folder {f.folder} has no layer")
                continue
            for number, kind, name in f.includes():
                if kind == "<":
                    continue
                self.looked("arrows")
                target = name.split("/")[0]
                if "/" not in name:
                    self.fault("arrows", f.path, number, f"{name}: include by path from src/")
                elif target == "tidewaiter" or target == f.folder:
                    continue
                elif f.folder is None:
                    self.fault("arrows", f.path, number, f"a public header includes {name}")
                elif target not in LAYERS:
                    self.fault("arrows", f.path, number, f"{name} is in no layer")
                elif (LAYERS[target] >= LAYERS[f.folder]
                      or target in FORBIDDEN.get(f.folder, ())):
                    self.fault("arrows", f.path, number, f"{f.folder} must not include {target}")

    def rule_headers(self):
        for f in self.shipped:
            for number, _, name in f.includes():
                self.looked("headers")
                for library, pattern, home in HEADERS:
                    if pattern.fullmatch(name) and not home.match(f.path):
                        self.fault("headers", f.path, number, f"{library} does not belong here")

    def rule_banned(self):
        def pattern(names):
            return re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(")
        unsafe, blocking, ending = pattern(UNSAFE), pattern(BLOCKING), pattern(ENDING)
        for f in self.files:
            if not f.is_c:
                continue
            self.looked("banned")
            shipped = f.path.startswith(("src/", "include/"))
            for number, line in enumerate(f.code, 1):
                found = unsafe.findall(line)
                if shipped:
                    if not MAY_BLOCK.match(f.path):
                        found += blocking.findall(line)
                    if not MAY_END.match(f.path):
                        found += ending.findall(line)
                for name in found:
                    self.fault("banned", f.path, number, f"{name}()")

    def rule_length(self):
        for f in self.shipped:
            self.looked("length")
            if len(f.lines) > MAX_LINES:
                self.fault("length", f.path, len(f.lines), f"over {MAX_LINES} lines")
        if self.shipped:
            median = statistics.median(len(f.lines) for f in self.shipped)
            if median > MAX_MEDIAN:
                self.fault("length", "src", 0, f"the median file has {median} lines, over {MAX_MEDIAN}")

    def rule_once(self):
        for f in self.files:
            if f.path.endswith(".h"):
                self.looked("once")
                first = next((line for line in f.code if line.strip()), "")
                if first.strip() != "#pragma once":
                    self.fault("once", f.path, 1, "does not begin with #pragma once")

    def rule_head(self):
        for f in self.files:
            if f.path.endswith(".c"):
                self.looked("head")
                if not f.text.startswith("/*"):
                    self.fault("head", f.path, 1, "no comment at the head says what the file does")

    def rule_form(self):
        for f in self.files:
            if not f.is_c:
                continue
            self.looked("form")
            plain = re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/',
                           lambda m: re.sub(r"[^\n]", " ", m.group(0)), f.text, flags=re.DOTALL)
            for number, line in enumerate(plain.splitlines(), 1):
                if "//" in line:
                    self.fault("form", f.path, number, "comments are /* */")
            for number, line in enumerate(f.code, 1):
                if re.search(r"\btypedef\s+(struct|union)\b(?!\s+cJSON\b)", line):
                    self.fault("form", f.path, number, "structs have no typedef")

    def rule_loose(self):
        for f in self.files:
            self.looked("loose")
            for number, line in enumerate(f.lines, 1):
                match = LOOSE_ENDS.search(line)
                if match:
                    self.fault("loose", f.path, number, match.group(1))

    def rule_paths(self):
        for f in self.files:
            self.looked("paths")
            for number, line in enumerate(f.lines, 1):
                if MACHINE_PATHS.search(line):
                    self.fault("paths", f.path, number, "a path of one machine")

    def rule_listed(self):
        """A source or test that no meson.build names is never built: it would rot, or never run."""
        for f in self.files:
            folder, name = os.path.split(f.path)
            if not name.endswith(".c"):
                continue
            if folder.startswith(("tests/unit/", "tests/loop/")) and name.startswith("test_"):
                wanted = name[len("test_"):-len(".c")]
            elif f.path.startswith(("src/", "tests/lib/", "tests/unit/", "tests/loop/", "tests/sim/",
                                    "tests/fuzz/")):
                wanted = name
            else:
                continue
            self.looked("listed")
            build = os.path.join(self.root, folder, "meson.build")
            text = ""
            if os.path.exists(build):
                with open(build, encoding="utf-8") as stream:
                    text = re.sub(r"#.*", "", stream.read())
            if not re.search(r"(?<![\w.])" + re.escape(wanted) + r"(?![\w.])", text):
                self.fault("listed", f.path, 1, f"{folder}/meson.build does not name {wanted}")

    def rule_format(self):
        if not self.check_format:
            return
        if not shutil.which("clang-format"):
            print("format: no clang-format here, skipped (tests/setup installs it)")
            return
        paths = [f.path for f in self.files if f.is_c]
        self.looked("format", len(paths))
        if not paths:
            return
        run = subprocess.run(["clang-format", "--dry-run", "--Werror", "--style=file", *paths],
                             cwd=self.root, stderr=subprocess.PIPE, text=True, check=False)
        seen = set()
        for line in run.stderr.splitlines():
            match = re.match(r"([^:]+):(\d+):\d+: error: ", line)
            if match and match.group(1) not in seen:
                seen.add(match.group(1))
                self.fault("format", match.group(1), match.group(2), "clang-format would change it")
        if run.returncode and not seen:
            self.fault("format", "clang-format", 0, run.stderr.strip() or "failed")

    def run(self):
        rules = [name for name in dir(self) if name.startswith("rule_")]
        for name in rules:
            getattr(self, name)()
            rule = name[len("rule_"):]
            skipped = rule == "format" and (not self.check_format or not shutil.which("clang-format"))
            if not self.inspected.get(rule) and not skipped:
                self.fault(rule, self.root, 0, "found nothing to inspect")
        for line in self.faults:
            print(line)
        print(f"{len(self.files)} files, {len(rules)} rules, {len(self.faults)} faults; "
              + ", ".join(f"{rule} {n}" for rule, n in sorted(self.inspected.items())))
        return 1 if self.faults else 0


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    here = os.path.dirname(os.path.abspath(__file__))
    root = args[0] if args else os.path.dirname(os.path.dirname(here))
    return Gate(root, "--no-format" not in sys.argv).run()


if __name__ == "__main__":
    sys.exit(main())
