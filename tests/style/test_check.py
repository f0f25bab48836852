#!/usr/bin/env python3
"""Proves each rule of check.py by one seeded fault in a small tree that is clean otherwise."""
import contextlib
import io
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402

CLEAN = {
    "include/tidewaiter/err.h": "#pragma once\nstruct err;\n",
    "src/base/buf.h": "#pragma once\n#include <stddef.h>\n",
    "src/base/buf.c": '/* Bytes. */\n#include "base/buf.h"\n\n#include "tidewaiter/err.h"\n',
    "src/base/meson.build": "core_src += files('buf.c')\n",
    "src/io/loop.c": '/* The loop. */\n#include "base/buf.h"\n\n#include <uv.h>\n',
    "src/io/meson.build": "io_src += files('loop.c')\n",
    "tests/unit/base/test_buf.c": "/* Tests. */\nint main(void)\n{\n    return 0;\n}\n",
    "tests/unit/base/meson.build": "unit_tests += ['buf']\n",
    "docs/style.md": "Style.\n",
}

# rule: files that break it, and nothing but it
SEEDS = {
    "arrows upward": ("arrows", {"src/base/buf.c": '/* x */\n#include "io/loop.h"\n'}),
    "arrows sideways": ("arrows", {"src/mapping/a.c": '/* x */\n#include "render/b.h"\n',
                                   "src/mapping/meson.build": "'a.c'"}),
    "arrows driver to pure": ("arrows", {"src/docker/a.c": '/* x */\n#include "mapping/b.h"\n',
                                         "src/docker/meson.build": "'a.c'"}),
    "arrows bare name": ("arrows", {"src/base/buf.c": '/* x */\n#include "buf.h"\n'}),
    "arrows public": ("arrows", {"include/tidewaiter/err.h": '#pragma once\n#include "base/buf.h"\n'}),
    "arrows unknown folder": ("arrows", {"src/misc/a.c": "/* x */\n",
                                         "src/misc/meson.build": "'a.c'"}),
    "headers curl": ("headers", {"src/base/buf.c": '/* x */\n#include <curl/curl.h>\n'
                                                   '#include "base/buf.h"\n'}),
    "headers uv": ("headers", {"src/base/buf.h": "#pragma once\n#include <uv.h>\n"}),
    "headers cjson": ("headers", {"src/base/json.h": "#pragma once\n#include <cjson/cJSON.h>\n"}),
    "banned unsafe": ("banned", {"src/base/buf.h": "#pragma once\n#define X strcpy(a, b)\n"}),
    "banned in tests": ("banned", {"tests/unit/base/test_buf.c": "/* x */\nint a = atoi(\"1\");\n"}),
    "banned blocking": ("banned", {"src/base/buf.h": "#pragma once\n#define X getaddrinfo(a)\n"}),
    "banned ending": ("banned", {"src/base/buf.h": "#pragma once\n#define X exit(1)\n"}),
    "length": ("length", {"src/base/buf.h": "#pragma once\n" + "\n" * 600}),
    "length median": ("length", {p: "#pragma once\n" + "\n" * 300
                                 for p in ("src/base/buf.h", "src/base/a.h", "src/base/b.h",
                                           "src/base/c.h", "src/base/d.h")}),
    "once": ("once", {"src/base/buf.h": "#include <stddef.h>\n"}),
    "head": ("head", {"src/base/buf.c": '#include "base/buf.h"\n/* Bytes. */\n'}),
    "form comment": ("form", {"src/base/buf.h": "#pragma once\nint a; // x\n"}),
    "form typedef": ("form", {"src/base/buf.h": "#pragma once\ntypedef struct a b;\n"}),
    "loose": ("loose", {"docs/style.md": "TO" + "DO: all\n"}),
    "paths": ("paths", {"docs/style.md": "see /wo" + "rk/x\n"}),
    "listed source": ("listed", {"src/base/new.c": "/* x */\n"}),
    "listed test": ("listed", {"tests/unit/base/test_new.c": "/* x */\n"}),
    "listed comment": ("listed", {"src/base/meson.build": "# 'buf.c'\n"}),
    "format": ("format", {"src/base/buf.h": "#pragma once\nint   a;\n"}),
}


def run_gate(tree, check_format):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        shutil.copy(os.path.join(os.path.dirname(__file__), "..", "..", ".clang-format"), root)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            gate = check.Gate(root, check_format)
            status = gate.run()
        return status, {line.split(": ")[1] for line in gate.faults}, out.getvalue()


class Rules(unittest.TestCase):
    def test_clean_tree_passes(self):
        status, _, out = run_gate(CLEAN, True)
        self.assertEqual(status, 0, out)

    def test_each_seed_is_found_by_its_rule_alone(self):
        for name, (rule, files) in SEEDS.items():
            with self.subTest(name):
                if rule == "format" and not shutil.which("clang-format"):
                    self.skipTest("no clang-format")
                status, rules, out = run_gate({**CLEAN, **files}, rule == "format")
                self.assertEqual(status, 1, out)
                self.assertEqual(rules, {rule}, out)

    def test_each_rule_has_a_seed(self):
        rules = {n[len("rule_"):] for n in dir(check.Gate) if n.startswith("rule_")}
        self.assertEqual(rules, {rule for rule, _ in SEEDS.values()})

    def test_rules_see_code_and_not_text(self):
        tree = {**CLEAN, "src/base/buf.h": "#pragma once\n/* exit(1) of strcpy() */\n"
                                           'extern const char *a; /* "sleep(1)" */\n'
                                           "#define X(b) b->exit(1)\n"}
        status, _, out = run_gate(tree, False)
        self.assertEqual(status, 0, out)

    def test_empty_tree_fails(self):
        status, rules, out = run_gate({}, False)
        self.assertEqual(status, 1, out)
        self.assertIn("arrows", rules)


if __name__ == "__main__":
    unittest.main()
