#!/usr/bin/env python3
"""tally.py FILE STATUS: "PASSED FAILED SKIPPED" of a meson testlog.json or a junit XML file.

A meson test that runs cmocka counts by its cases, any other as one. STATUS is the runner's exit status:
where it failed and FILE shows no failure, that counts as one.
"""
import json
import re
import sys
import xml.etree.ElementTree


def of_meson(path):
    passed = failed = skipped = 0
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            test = json.loads(line)
            output = test.get("stdout", "") + test.get("stderr", "")
            cases = {word: sum(map(int, re.findall(rf"\[  {word} +\] (\d+) test", output)))
                     for word in ("PASSED", "FAILED", "SKIPPED")}
            if test["result"] == "SKIP":
                skipped += 1
            elif test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += cases["PASSED"] or 1
                skipped += cases["SKIPPED"]
            else:
                # A crash or a leak has no failed case: the test as a whole is one.
                passed += cases["PASSED"]
                failed += cases["FAILED"] or 1
                skipped += cases["SKIPPED"]
    return passed, failed, skipped


def of_junit(path):
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    passed, failed, skipped = (of_junit if path.endswith(".xml") else of_meson)(path)
    if status != 0 and failed == 0:
        failed = 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()
