#!/usr/bin/env python3
"""Every test source and scenario belongs to a target, every scenario says its goal and has a number of its own, every fuzz target has a
corpus."""
import os
import re

import tree


def registered(root, path):
    """Whether the nearest CMakeLists.txt at or above the file names it."""
    folder, wanted = os.path.dirname(path), path
    while folder:
        listing = os.path.join(folder, "CMakeLists.txt")
        if os.path.exists(os.path.join(root, listing)):
            wanted = os.path.relpath(path, folder)
            return re.search(r"(?<![\w./-])%s(?![\w.-])" % re.escape(wanted), tree.read(root, listing)) is not None
        folder = os.path.dirname(folder)
    return False


def check(root):
    out = []
    files = tree.project_files(root)
    numbers = {}
    for path in files:
        if not path.startswith("tests/"):
            continue
        name = os.path.basename(path)
        is_scenario = re.fullmatch(r"tests/scenario/\d\d-[\w-]+\.(sh|py)", path) is not None
        if name.endswith(("_test.cc", "_fuzz.cc", "_test.py")) or is_scenario:
            if not registered(root, path):
                out.append("%s belongs to no target: no CMakeLists.txt names it" % path)
        if is_scenario and numbers.setdefault(name[:2], path) != path:
            out.append("%s and %s have the same number" % (numbers[name[:2]], path))
        if is_scenario and "Goal:" not in "\n".join(tree.read(root, path).split("\n")[:4]):
            out.append("%s does not begin with its goal (\"Goal: …\")" % path)
        if name.endswith("_fuzz.cc"):
            corpus = "tests/fuzz/corpus/%s/" % name[:-3]
            if not any(f.startswith(corpus) for f in files):
                out.append("%s has no corpus %s" % (path, corpus))
    return out


if __name__ == "__main__":
    tree.main(check)
