#!/usr/bin/env python3
"""Paths and file names that the documents mention exist; every folder has a README of at most a screen."""
import fnmatch
import os
import re

import tree

TOP = ("client", "server", "common", "proto", "setup", "tests", "docs", ".ci")
README_LINES = 60
# Folders whose content speaks for itself or is described one level up.
NO_README = ("tests/unit/*", "tests/fuzz/corpus*", "tests/fault/steps", "tests/golden/*", "tests/bench/results*",
             "docs/*", "setup/*", ".ci")


def exists(path, files, folders):
    path = path.rstrip("/")
    if any(c in path for c in "*?["):
        return any(fnmatch.fnmatch(f, path) for f in files) or any(fnmatch.fnmatch(f, path) for f in folders)
    return path in files or path in folders


def mentioned(text):
    """Words that look like paths: in code spans, in fenced blocks, in links."""
    for number, line in enumerate(text.split("\n"), 1):
        for span in re.findall(r"`([^`]+)`", line):
            for word in span.split():
                yield number, word.strip("(),;:'\"")
        # In prose only what is plainly a file: "client/server" is English.
        for word in re.findall(r"(?<![\w/.~-])(?:%s)/[\w./*-]+\.\w+" % "|".join(map(re.escape, TOP)), line):
            yield number, word


def check_mentions(path, text, files, folders, names):
    for number, word in mentioned(text):
        where = "%s:%d" % (path, number)
        if re.fullmatch(r"(?:%s)/[\w./*-]*" % "|".join(map(re.escape, TOP)), word):
            if not exists(word, files, folders):
                yield "%s: %s does not exist" % (where, word)
        elif re.fullmatch(r"[\w-]+\.(?:cc|h|py|cmake)", word) and word not in names:
            yield "%s: no file is named %s" % (where, word)


def check_links(path, text, files, folders):
    for number, line in enumerate(text.split("\n"), 1):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
            if "://" in target or target.startswith("mailto:"):
                continue
            full = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if full != "." and not exists(full, files, folders):
                yield "%s:%d: the link to %s leads nowhere" % (path, number, target)


def tests_of(root, files):
    """Suite.Name of every TEST, and label:name of every script and fuzz target."""
    out = set()
    for path in files:
        if path.startswith("tests/") and path.endswith(".cc"):
            out.update("%s.%s" % t for t in re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", tree.read(root, path)))
        elif path.startswith("tests/") and path.endswith("CMakeLists.txt"):
            text = tree.read(root, path)
            out.update("%s:%s" % (b, a) for a, b in re.findall(r"bk_script_test\(([\w-]+) LABEL (\w+)", text))
            out.update("fuzz:" + name for name in re.findall(r"bk_fuzz\((\w+)", text))
    return out


def check_tests(path, text, tests):
    """Tests that a document names exist: a defence whose test is gone is one that nobody tries."""
    for number, line in enumerate(text.split("\n"), 1):
        for word in re.findall(r"`([A-Z]\w+\.[A-Z]\w+|(?:scenario|fuzz|fault|unit):[\w-]+)`", line):
            if word not in tests:
                yield "%s:%d: there is no test %s" % (path, number, word)


def check_readmes(root, files, folders):
    for folder in sorted(folders):
        if folder.split("/")[0] not in TOP or any(fnmatch.fnmatch(folder, p) for p in NO_README):
            continue
        if folder + "/README.md" not in files:
            yield "%s/ has no README.md" % folder
        elif tree.read(root, folder + "/README.md").count("\n") > README_LINES:
            yield "%s/README.md is longer than a screen (%d lines)" % (folder, README_LINES)


def check(root):
    files = set(tree.project_files(root))
    folders = set()
    for path in files:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            folders.add(path)
    names = {f.rsplit("/", 1)[-1] for f in files}
    tests = tests_of(root, files)
    out = list(check_readmes(root, files, folders))
    for path in sorted(f for f in files if f.endswith(".md")):
        text = tree.read(root, path)
        out += check_mentions(path, text, files, folders, names)
        out += check_links(path, text, files, folders)
        if path == "docs/THREAT_MODEL.md":
            out += check_tests(path, text, tests)
    return list(dict.fromkeys(out))


if __name__ == "__main__":
    tree.main(check)
