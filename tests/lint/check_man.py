#!/usr/bin/env python3
"""Every program has a manual page, every page is clean mdoc, and pages list exactly the options of --help.

BK_BIN names the folder of the programs."""
import os
import re
import subprocess

import tree


def options_of_help(text):
    """Boost prints one option a line: "  --name arg  what" or "  -n [ --name ] arg  what"."""
    return set(re.findall(r"^\s+(?:-\w \[ )?--([a-z][a-z0-9-]*)", text, flags=re.M))


def options_of_page(text):
    return set(re.findall(r"^\.It Fl (?:Fl |-)([a-z][a-z0-9-]*)", text, flags=re.M))


def lint(path):
    run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         timeout=30, check=False)
    # A page refers to pages of this project that are not installed here.
    lines = run.stdout.decode("utf-8", "replace").splitlines()
    return [line for line in lines if "referenced manual not found" not in line]


def help_of(program):
    run = subprocess.run([program, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         timeout=30, check=False)
    return run.returncode, run.stdout.decode("utf-8", "replace")


def check_program(root, name, path):
    page = "docs/man/%s.1" % name
    if not os.path.exists(os.path.join(root, page)):
        return ["%s has no manual page %s" % (name, page)]
    status, text = help_of(path)
    if status != 0:
        return ["%s --help ends with %d" % (name, status)]
    shown, written = options_of_help(text), options_of_page(tree.read(root, page))
    out = ["%s: --%s is an option of --help, but not of the page" % (page, o) for o in sorted(shown - written)]
    return out + ["%s: --%s is no option of --help" % (page, o) for o in sorted(written - shown)]


def programs(folder):
    for directory in (folder, os.path.join(folder, "cmds")):
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield name, path


def check(root):
    out, found = [], dict(programs(os.environ["BK_BIN"]))
    if not found:
        out.append("no programs in " + os.environ["BK_BIN"])
    for name, path in found.items():
        out += check_program(root, name, path)
    for page in [f for f in tree.project_files(root) if re.fullmatch(r"docs/man/[\w-]+\.[1-8]", f)]:
        out += lint(os.path.join(root, page))
        if page.endswith(".1") and page[len("docs/man/"):-2] not in found:
            out.append("%s describes a program that is not there" % page)
    return out


if __name__ == "__main__":
    tree.main(check)
