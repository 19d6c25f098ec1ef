#!/usr/bin/env python3
"""Goal: every version to come reads the stores that version 1 of the format wrote, and so does whoever has only the pages.

tests/golden/store holds three small ones (plain, encrypted, sealed) with everything that the format knows.  Each is checked and
exported by bkdb, with its index made anew, and restored by the independent reader; what comes back is compared with
tests/golden/store/expected.
"""
import collections
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("BK_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.environ.get("BK_BIN") or SOURCE + "/build/dev/bin"
GOLDEN = SOURCE + "/tests/golden/store"
sys.dont_write_bytecode = True
sys.path.insert(0, SOURCE + "/tests/reader")

from bk_store import Store  # noqa: E402

LINES = {"2": "tree", "4": "tree-2", "7": "archive"}  # of the client's journal


def run(argv, status=0):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    text = done.stdout.decode(errors="replace")
    if done.returncode != status:
        sys.exit("%s: status %d\n%s" % (" ".join(argv), done.returncode, text))
    return text


def manifest(root):
    """One line an entry: name, kind, mode, time, and what it holds."""
    paths = [root] + [os.path.join(folder, n) for folder, below, names in os.walk(root) for n in below + names]
    for path in sorted(paths):
        found = os.lstat(path)
        what = ""
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:
                what = "%d %s" % (found.st_size, hashlib.sha256(file.read()).hexdigest())
        elif stat.S_ISLNK(found.st_mode):
            what = os.readlink(path)
        # A folder's own time is that of the program that made what is in it, on a file system without a better clock.
        yield "%r %o %d %s" % (os.path.relpath(path, root), found.st_mode, found.st_mtime_ns, what)


def records(folder, key):
    """What kinds of records, codecs, flags and chunks stand in its packs and journals."""
    seen = collections.Counter()
    store = Store(folder, True, key)
    for name, _ in store.files(True):
        with open(name, "rb") as file:
            data = file.read()
        at = 64
        while at < len(data):
            table, payload = (int.from_bytes(data[at + o:at + o + 4], "little") for o in (16, 20))
            seen["record " + chr(data[at + 4])] += 1
            if data[at + 4:at + 5] == b"G":
                seen.update(["codec %d" % data[at + 5], "cipher %d" % data[at + 6], "flags %d" % data[at + 7]])
            at += 80 + table + payload
    seen.update("kind " + "DLT"[kind] for kind, _ in store.places)
    return set(seen)


def check(name, scratch, key, unseal):
    home = "%s/%s" % (scratch, name)
    shutil.copytree("%s/%s" % (GOLDEN, name), home)
    folder = home + "/store"
    wanted = {"record G", "record M", "record S", "codec 0", "flags 0", "flags 1", "kind D", "kind L", "kind T"}
    wanted |= {"cipher 1" if key else "cipher 0"} | (set() if unseal else {"codec 1"})  # what is sealed does not shrink
    missing = wanted - records(folder, key)
    assert not missing, "the golden store %s lacks %s" % (name, missing)
    out = {}
    reader = [sys.executable, SOURCE + "/tests/reader/bk_reader.py", "--journals"]
    reader += (["--key", key] if key else []) + (["--unseal", unseal] if unseal else []) + [folder]
    run(reader + ["verify"])
    for line, what in LINES.items():
        run(reader + ["restore", "web1", line, "%s/reader-%s" % (home, what)])
        out["reader " + what] = list(manifest("%s/reader-%s" % (home, what)))

    if key:
        with open(home + "/backupconfig.toml", "w") as file:
            file.write('host = "golden"\n[store]\nkey_file = "%s"\n' % key)
        os.chmod(home + "/backupconfig.toml", 0o600)
    bkdb = [PROGRAMS + "/bkdb", "--home", home, "-C", home]
    run(bkdb + ["verify"])
    if unseal:
        bkdb += ["--unseal", unseal]
    text = run(bkdb + ["verify"])
    assert text.startswith("good: 3 snapshots, "), text
    run(bkdb + ["export", home + "/out", "<2027-01-01"], status=3)  # the backups themselves were partial
    exported = sorted(os.listdir(home + "/out"))
    for what, of in zip(("archive", "tree", "tree-2"), [n for n in exported if n != "EXPORT.txt"]):
        out["bkdb " + what] = list(manifest(home + "/out/" + of))
    run(bkdb + ["heal"])
    run(bkdb + ["rm", "--yes", "--expect", "1", "1", "<2027-01-01,1"])
    run(bkdb + ["clean"])
    run(bkdb + ["verify"])
    return out


def expected():
    with open(GOLDEN + "/expected") as file:
        blocks = file.read().split("\n\n")
    return {block.split("\n", 1)[0]: block.split("\n")[1:] for block in blocks}


def main():
    os.umask(0)
    scratch = tempfile.mkdtemp(prefix="bk-golden-")
    try:
        keys = {}
        for name in ("key", "unseal"):
            keys[name] = shutil.copy("%s/%s" % (GOLDEN, name), scratch)
            os.chmod(keys[name], 0o600)
        wanted = expected() if os.path.exists(GOLDEN + "/expected") else {}
        for name, key, unseal in (("plain", None, None), ("encrypted", keys["key"], None), ("sealed", None, keys["unseal"])):
            for which, lines in check(name, scratch, key, unseal).items():
                what = which.split(" ")[1]
                if "--write" in sys.argv:
                    wanted.setdefault(what, lines)
                assert lines == wanted[what], "%s, %s:\n%s" % (name, which, "\n".join(set(lines) ^ set(wanted[what])))
        if "--write" in sys.argv:
            with open(GOLDEN + "/expected", "w") as file:
                file.write("\n\n".join("\n".join([what] + lines) for what, lines in wanted.items()))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
