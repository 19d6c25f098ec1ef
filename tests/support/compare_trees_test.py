#!/usr/bin/env python3
"""compare_trees.py must see each kind of difference: a comparison that misses one proves nothing."""

import os
import shutil
import subprocess
import sys
import tempfile

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compare_trees.py")


def build(top):
    os.makedirs(top + "/sub/deep")
    for name, text in (("a", b"one"), ("b", b"two"), ("sub/c", b"three")):
        with open(os.path.join(top, name), "wb") as f:
            f.write(text)
    os.link(top + "/a", top + "/a2")
    os.symlink("target", top + "/link")
    os.mkfifo(top + "/pipe")
    with open(top + "/holes", "wb") as f:
        f.seek(1 << 20)
        f.write(b"x" * 4096)
        f.truncate(4 << 20)
    os.setxattr(top + "/b", "user.note", b"v")
    for folder, dirs, files in os.walk(top, topdown=False):
        for name in files + dirs + ["."]:
            os.utime(os.path.join(folder, name), ns=(5, 1_000_000_007), follow_symlinks=False)


def relink(t):
    os.unlink(t + "/a2")
    shutil.copy2(t + "/a", t + "/a2")


def fill_hole(t):
    with open(t + "/holes", "r+b") as f:
        f.write(b"\0" * 4096)
    os.utime(t + "/holes", ns=(5, 1_000_000_007))


def rewrite(t):
    with open(t + "/sub/c", "r+b") as f:
        f.write(b"T")
    os.utime(t + "/sub/c", ns=(5, 1_000_000_007))


def retarget(t):
    os.unlink(t + "/link")
    os.symlink("other!", t + "/link")
    os.utime(t + "/link", ns=(5, 1_000_000_007), follow_symlinks=False)


CHANGES = {
    "content": rewrite,
    "mode": lambda t: os.chmod(t + "/b", 0o4711),
    "mtime": lambda t: os.utime(t + "/b", ns=(5, 1_000_000_008)),
    "symlink mtime": lambda t: os.utime(t + "/link", ns=(5, 9), follow_symlinks=False),
    "directory mtime": lambda t: os.utime(t + "/sub/deep", ns=(5, 9)),
    "xattr value": lambda t: os.setxattr(t + "/b", "user.note", b"w"),
    "xattr missing": lambda t: os.removexattr(t + "/b", "user.note"),
    "target": retarget,
    "hard link": relink,
    "hole": fill_hole,
    "missing name": lambda t: os.unlink(t + "/pipe"),
    "extra name": lambda t: os.mkfifo(t + "/sub/pipe"),
    "type": lambda t: (os.unlink(t + "/pipe"), os.mkdir(t + "/pipe")),
    "size": lambda t: os.truncate(t + "/b", 1),
}
if os.getuid() == 0:
    CHANGES["owner"] = lambda t: os.chown(t + "/link", 7, 8, follow_symlinks=False)


def compare(*words):
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True)


def plain_view(scratch):
    """A file and a directory that nobody may read: absent and empty in the second tree, named, and no difference."""
    top, other, named = scratch + "/plain", scratch + "/plain-copy", scratch + "/unreadable"
    for tree in (top, other):
        build(tree)
        os.mkdir(tree + "/closed")
    os.chmod(scratch, 0o755)
    for path, mode in ((top, 0o755), (other, 0o755), (top + "/secret", 0o600), (top + "/closed/in", 0o644)):
        if not os.path.exists(path):
            open(path, "w").close()
        os.chmod(path, mode)
    for tree in (top, other):
        os.chmod(tree + "/closed", 0o700)
        os.utime(tree, ns=(1, 1))
        os.utime(tree + "/closed", ns=(1, 1))
    words = ("--as", "65534", "--unreadable", named, top, other)
    result = compare(*words)
    if result.returncode != 0:
        return "readable things called different: " + result.stdout + result.stderr
    unreadable = set(open(named, "rb").read().split(b"\0"))
    if not {b"secret", b"closed"} <= unreadable or b"closed/in" in unreadable:
        return "unreadable things are not those named: %r" % unreadable
    open(other + "/closed/in", "w").close()
    return "" if compare(*words).returncode == 1 else "not seen: what nobody could have read"


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        build(scratch + "/one")
        build(scratch + "/same")
        result = compare(scratch + "/one", scratch + "/same")
        if result.returncode != 0:
            print("equal trees called different:", result.stdout, result.stderr)
            failures += 1
        for number, (name, change) in enumerate(CHANGES.items()):
            other = "%s/other%d" % (scratch, number)
            build(other)
            change(other)
            result = compare(scratch + "/one", other)
            if result.returncode != 1:
                print("not seen:", name, result.stdout, result.stderr)
                failures += 1
        if os.getuid() == 0 and (wrong := plain_view(scratch)):
            print(wrong)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
