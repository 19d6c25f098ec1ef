#!/usr/bin/env python3
"""skips.py JUNIT.xml SKIPS: fails when a test was skipped that SKIPS does not name."""
import fnmatch
import sys
import xml.etree.ElementTree as ET


def allowed(path):
    with open(path) as f:
        return {line.split("#")[0].split()[0] for line in f if line.split("#")[0].strip()}


def skipped(path):
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            yield case.get("name")


def unannounced(junit, names):
    return [n for n in skipped(junit) if not any(fnmatch.fnmatchcase(n, known) for known in names)]


def main():
    names = unannounced(sys.argv[1], allowed(sys.argv[2]))
    for name in names:
        print("skipped, and tests/skips does not name it: " + name)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
