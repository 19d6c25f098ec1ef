#!/usr/bin/env python3
"""tests/skips names tests that exist, and every test that may be skipped: one with GTEST_SKIP, or with a fixture that has it; each entry of a
script that ends with 77.  What is skipped only while files are rewritten (BK_ACCEPT) or under a sanitizer needs no name."""
import fnmatch
import os
import re

import skips
import tree

TEST = re.compile(r"^\s*TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.M)
FIXTURE = re.compile(r"^class (\w+) [^\n;]*\bpublic (?:::)?testing::Test\b", re.M)
OTHERWISE = re.compile(r"BK_ACCEPT|__SANITIZE_")
SKIPS = re.compile(r"(?:\|\||&&|;|then|^\s*)\s*skip \"|\bexit 77\b|\bsys\.exit\(77\)|^private_(?:network_)?machine ")
LIBRARIES = ("lib.sh", "private.sh")


def ctest_entries(root, files):
    """What ctest calls its entries: label:name of scripts and whole programs (${…} in a name stands for anything), label:Suite.Name."""
    out = []
    for path in files:
        if path.endswith("CMakeLists.txt"):
            text = tree.read(root, path)
            named = ["%s:%s" % (label, name) for name, label in re.findall(r"bk_script_test\((\S+) LABEL (\w+)", text)]
            named += re.findall(r"bk_test_run\((\S+)", text) + ["fuzz:" + name for name in re.findall(r"bk_fuzz\((\w+)", text)]
            out += [re.sub(r"\\\$\\\{\w+\\\}", r"[\\w-]+", re.escape(name)) for name in named]
        elif path.endswith(".cc"):
            out += [r"\w+:%s\.%s" % t for t in TEST.findall(tree.read(root, path))]
    return out


def of_fixture(root, folder, files, fixture):
    return [t for path in files if os.path.dirname(path) == folder for t in TEST.findall(tree.read(root, path)) if t[0] == fixture]


def skipped_tests(root, path, files):
    """(suite, name) of each test in the file that may be skipped; of a fixture, all of its tests in that folder."""
    text = tree.read(root, path)
    for at in (m.start() for m in re.finditer(r"\bGTEST_SKIP\(", text)):
        if OTHERWISE.search("\n".join(text[:at].split("\n")[-5:])):
            continue
        test = [m for m in TEST.finditer(text[:at])]
        fixture = [m for m in FIXTURE.finditer(text[:at])]
        if fixture and (not test or fixture[-1].start() > test[-1].start()):
            yield from of_fixture(root, os.path.dirname(path), files, fixture[-1].group(1))
        elif test:
            yield test[-1].groups()


def runs_of(root, path):
    """Entries of ctest that run whole programs of that folder."""
    listing = os.path.join(root, os.path.dirname(path), "CMakeLists.txt")
    return re.findall(r"bk_test_run\((\S+)", tree.read(root, listing)) if os.path.exists(listing) else []


def unannounced_tests(root, path, files, names):
    runs = runs_of(root, path)
    if runs and all(run in names for run in runs):
        return
    for suite, name in sorted(set(skipped_tests(root, path, files))):
        if not any(fnmatch.fnmatchcase("%s.%s" % (suite, name), known.split(":", 1)[-1]) for known in names):
            yield "%s: %s.%s may be skipped, and tests/skips does not name it" % (path, suite, name)


def script_entries(root, path):
    """label:name of each ctest entry that runs the script; a loop's variable stays as it stands."""
    listing = os.path.join(root, os.path.dirname(path), "CMakeLists.txt")
    text = tree.read(root, listing) if os.path.exists(listing) else ""
    found = re.findall(r"bk_script_test\((\S+) LABEL (\w+) SCRIPT %s\b" % re.escape(os.path.basename(path)), text)
    return ["%s:%s" % (label, name) for name, label in found]


def unannounced_scripts(root, path, names):
    lines = [line for line in tree.read(root, path).split("\n") if SKIPS.search(line)]
    only = {word for line in lines for word in re.findall(r"# only as (\S+)", line)}
    if not lines:
        return
    for entry in script_entries(root, path):
        if only and entry not in only:
            continue
        wanted = re.compile(re.sub(r"\\\$\\\{\w+\\\}", r"[\\w]+", re.escape(entry)))
        if not any(wanted.fullmatch(known) for known in names):
            yield "%s: %s may be skipped, and tests/skips does not name it" % (path, entry)


def unknown(root, files, names):
    """A name ends with * where all tests of a suite may be skipped."""
    suites = {suite for f in files if f.endswith(".cc") for suite, _ in TEST.findall(tree.read(root, f))}
    known = re.compile("|".join(ctest_entries(root, files)))
    for name in sorted(names):
        whole = re.fullmatch(r"\w+:(\w+)\.\*", name)
        if not (whole.group(1) in suites if whole else known.fullmatch(name)):
            yield "tests/skips names %s, which no test is called" % name


def check(root):
    files = [f for f in tree.project_files(root) if f.startswith("tests/")]
    if "tests/skips" not in files:
        return []
    names = skips.allowed(os.path.join(root, "tests/skips"))
    out = list(unknown(root, files, names))
    for path in files:
        if path.startswith("tests/lint/"):
            continue
        if path.endswith((".cc", ".h")):
            out += unannounced_tests(root, path, files, names)
        elif path.endswith((".sh", ".py")) and os.path.basename(path) not in LIBRARIES:
            out += unannounced_scripts(root, path, names)
    return out


if __name__ == "__main__":
    tree.main(check)
