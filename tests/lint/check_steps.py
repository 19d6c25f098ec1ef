#!/usr/bin/env python3
"""Every named durable step of the code stands in tests/fault/steps, once, and every name there is in the code."""
import re

import tree

CALL = re.compile(r'crash_point\(\s*"([^"]+)"')
NAME = re.compile(r'"([a-z]+\.[a-z_.-]+)"')
STEPS = "tests/fault/steps/"


def check(root):
    files = tree.project_files(root)
    called, written, out = {}, set(), []
    for path in files:
        if path.split("/")[0] in tree.SOURCE_FOLDERS and path.endswith((".cc", ".h")):
            text = tree.read(root, path)
            written.update(NAME.findall(text))
            called.update((name, path) for name in CALL.findall(text))
    listed = {}
    for path in files:
        if not path.startswith(STEPS):
            continue
        for number, name in enumerate(tree.read(root, path).split(), 1):
            where = "%s:%d" % (path, number)
            if name in listed:
                out.append("%s: %s stands at %s, too" % (where, name, listed[name]))
            listed[name] = where
            if name not in written:
                out.append("%s: no code passes %s" % (where, name))
    for name, path in sorted(called.items()):
        if name not in listed:
            out.append("%s: the step %s is in no file of %s" % (path, name, STEPS))
    return out


if __name__ == "__main__":
    tree.main(check)
