"""The changed second version of a torture tree: what may happen to entries between two backups.

changing() makes the entries, change() changes them: renames, moved directories, swaps of every type with every other, changes of
attributes alone, of which names are one file, appended, truncated, punched, same size and time with another content ("stealth"),
deleted.  Then some hundred random changes everywhere else, chosen by a seed.
"""

import os
import random
import socket
import stat
import struct
import subprocess

ROOT = os.geteuid() == 0
TYPES = ("file", "directory", "full", "symlink", "fifo", "socket") + (("char", "block") if ROOT else ())
CONTENTS = {b"none": b"", b"tiny": b"tiny", b"inline": b"i" * 512, b"chunk": b"c" * 513, b"chunks": random.Random(7).randbytes(300_000),
            b"long": random.Random(8).randbytes(6_000_000)}


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def make_one(path, kind, word):
    if kind == "file":
        put(path, word * 100)
    elif kind in ("directory", "full"):
        os.mkdir(path)
        if kind == "full":
            put(path + b"/inside", word)
            os.mkdir(path + b"/below")
            os.symlink(word, path + b"/below/link")
    elif kind == "symlink":
        os.symlink(b"../" + word, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.open(os.path.dirname(path), os.O_DIRECTORY)
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(b"/proc/self/fd/%d/%s" % (here, os.path.basename(path)))
        os.close(here)
    else:
        os.mknod(path, (stat.S_IFCHR if kind == "char" else stat.S_IFBLK) | 0o600, os.makedev(1, 3 + len(word) % 5))


def remove(path):
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    subprocess.run(["rm", "-rf", "--", path], check=True)  # os.path of Python stops at PATH_MAX and at a thousand levels


# -- the first version

def changing(d):
    for sub in (b"", b"types", b"content", b"stealth", b"facts", b"links", b"moves", b"moves/here", b"moves/there", b"moves/deep/er/est", b"gone"):
        os.makedirs(os.path.join(d, sub), exist_ok=True)
    for old in TYPES:
        for new in TYPES:
            make_one(d + b"/types/%s-%s" % (old.encode(), new.encode()), old, b"old")
    for change_of in CONTENT_CHANGES:
        for name, data in CONTENTS.items():
            put(d + b"/content/%s-%s" % (change_of.encode(), name), data)
    for name, data in CONTENTS.items():
        put(d + b"/stealth/" + name, data)
    os.symlink(b"target-1", d + b"/stealth/symlink")
    for kind in TYPES:
        for what in FACT_CHANGES:
            make_one(d + b"/facts/%s-%s" % (kind.encode(), what.encode()), kind, b"old")
    for group in (b"split", b"join", b"first", b"more", b"fewer", b"cross", b"stealth"):
        os.mkdir(d + b"/links/" + group)
        for name in (b"a", b"m"):
            put(d + b"/links/%s/%s1" % (group, name), group + name * 5000)
            for i in (2, 3):
                os.link(d + b"/links/%s/%s1" % (group, name), d + b"/links/%s/%s%d" % (group, name, i))
    for name, data in CONTENTS.items():
        put(d + b"/moves/here/" + name, data)
        put(d + b"/moves/deep/er/est/" + name, data[::-1])
    for i in range(40):
        put(d + b"/moves/deep/%03d" % i, b"%d" % i * i * 50)
    for i in range(20):
        make_one(d + b"/gone/%d" % i, TYPES[i % len(TYPES)], b"gone")


# -- the second version

def keep_times(path, act):
    before = os.lstat(path)
    act()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


def in_place(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def punch(path, offset, length):
    """Makes a hole where data was; on a file system that cannot, zeros."""
    done = subprocess.run(["fallocate", "--punch-hole", "--offset", str(offset), "--length", str(length), path], stderr=subprocess.DEVNULL)
    if done.returncode:
        in_place(path, offset, bytes(length))


def insert_at(path, offset, data):
    with open(path, "rb") as file:
        old = file.read()
    put(path, old[:offset] + data + old[offset:])


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def replace(path, data):
    put(path + b".new", data)
    os.rename(path + b".new", path)


def cut(path, offset, count):
    with open(path, "rb") as file:
        old = file.read()
    put(path, old[:offset] + old[offset + count:])


CONTENT_CHANGES = {
    "append": lambda path, size: append(path, b"appended"),
    "append-much": lambda path, size: append(path, random.Random(1).randbytes(700_000)),
    "truncate": lambda path, size: os.truncate(path, size // 2),
    "to-nothing": lambda path, size: os.truncate(path, 0),
    "extend": lambda path, size: os.truncate(path, size + 5_000_000),
    "punch": lambda path, size: punch(path, size // 4 // 4096 * 4096, max(4096, size // 2 // 4096 * 4096)) if size > 8192 else append(path, b"!"),
    "fill": lambda path, size: (os.truncate(path, size + 2_000_000), in_place(path, size + 1_000_000, b"filled")),
    "byte": lambda path, size: in_place(path, max(0, size // 2 - 1), b"B"),
    "block": lambda path, size: in_place(path, size // 3, b"B" * 8192),
    "scattered": lambda path, size: [in_place(path, at, b"S%d" % at) for at in range(0, size + 1, 100_000)],
    "insert": lambda path, size: insert_at(path, size // 2, b"inserted"),
    "cut": lambda path, size: cut(path, size // 2, 10),
    "replace": lambda path, size: replace(path, b"another" * 999),
    "replace-same": lambda path, size: replace(path, CONTENTS[path.rsplit(b"-", 1)[1]]),
    "zero": lambda path, size: put(path, bytes(size)),
}


def change_acl(path):
    entry = struct.Struct("<HHI")
    packed = struct.pack("<I", 2) + b"".join(entry.pack(*e) for e in ((1, 6, 2**32 - 1), (2, 5, 99), (4, 4, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)))
    try:
        os.setxattr(path, b"system.posix_acl_access", packed)
    except OSError:
        os.chmod(path, 0o640)


def change_xattr(path):
    plain = stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR)
    if ROOT or plain:
        keep_times(path, lambda: os.setxattr(path, b"user.new" if plain else b"trusted.new", b"v", follow_symlinks=False))


FACT_CHANGES = {
    "mode": lambda path: stat.S_ISLNK(os.lstat(path).st_mode) or os.chmod(path, 0o7 + 0o40 + 0o700),
    "special-mode": lambda path: stat.S_ISLNK(os.lstat(path).st_mode) or os.chmod(path, 0o7751),
    "owner": lambda path: ROOT and os.chown(path, 31, 2**32 - 3, follow_symlinks=False),
    "time": lambda path: os.utime(path, ns=(3, -7_000_000_003), follow_symlinks=False),
    "xattr": change_xattr,
    "acl": lambda path: stat.S_ISLNK(os.lstat(path).st_mode) or change_acl(path),
}


def change_links(d):
    def at(group, name):
        return d + b"/links/%s/%s" % (group, name)

    replace(at(b"split", b"a2"), b"split" + b"a" * 5000)
    for name in (b"m1", b"m2", b"m3"):
        replace(at(b"split", name), b"splitmmmmm" * 5000)
    for i in (1, 2, 3):
        os.unlink(at(b"join", b"m%d" % i))
        os.link(at(b"join", b"a1"), at(b"join", b"m%d" % i))
    os.unlink(at(b"first", b"a1"))
    for i in range(5):
        os.link(at(b"more", b"a1"), at(b"more", b"b%d" % i))
    os.link(at(b"more", b"m1"), at(b"more", b"0-before"))
    os.unlink(at(b"fewer", b"a2"))
    os.unlink(at(b"fewer", b"a3"))
    os.rename(at(b"fewer", b"m1"), at(b"fewer", b"z1"))
    for a, m in ((b"a2", b"m2"),):  # a name changes over to the other file
        os.unlink(at(b"cross", a))
        os.link(at(b"cross", m), at(b"cross", a))
    keep_times(at(b"stealth", b"a2"), lambda: in_place(at(b"stealth", b"a2"), 9, b"STEALTH"))
    change_xattr(at(b"stealth", b"m3"))


def change_moves(d):
    moves = d + b"/moves"
    for name in list(CONTENTS)[::2]:
        os.rename(moves + b"/here/" + name, moves + b"/there/" + name)
    os.rename(moves + b"/here/long", moves + b"/renamed")
    os.rename(moves + b"/deep", moves + b"/there/depth")
    os.rename(moves + b"/there/depth/er/est", moves + b"/est")
    for a, b in ((b"001", b"002"), (b"030", b"031")):  # two names exchanged
        for old, new in ((a, b"tmp"), (b, a), (b"tmp", b)):
            os.rename(moves + b"/there/depth/" + old, moves + b"/there/depth/" + new)


def change(top, seed):
    d = top + b"/changing"
    if os.path.exists(d + b"/links/first/a1"):  # the third version differs from the second by chance alone
        change_as_planned(d)
    Random(top, seed).run(400)
    change_far(top)


def change_as_planned(d):
    for old in TYPES:
        for new in TYPES:
            path = d + b"/types/%s-%s" % (old.encode(), new.encode())
            remove(path)
            make_one(path, new, b"newer")
    for what, act in CONTENT_CHANGES.items():
        for name, data in CONTENTS.items():
            act(d + b"/content/%s-%s" % (what.encode(), name), len(data))
    for name, data in CONTENTS.items():
        if data:
            path = d + b"/stealth/" + name
            keep_times(path, lambda path=path, data=data: in_place(path, len(data) // 2, bytes([data[len(data) // 2] ^ 1])))
    link = d + b"/stealth/symlink"
    times = os.lstat(link).st_mtime_ns
    os.unlink(link)
    os.symlink(b"target-2", link)
    os.utime(link, ns=(times, times), follow_symlinks=False)
    for kind in TYPES:
        for what, act in FACT_CHANGES.items():
            act(d + b"/facts/%s-%s" % (kind.encode(), what.encode()))
    change_links(d)
    change_moves(d)
    for i in range(0, 20, 2):
        remove(d + b"/gone/%d" % i)


def change_far(top):
    """Where no path reaches, behind closed doors, and what is left of an empty directory."""
    if os.path.isdir(top + b"/deep/levels"):
        fd = os.open(top + b"/deep/levels", os.O_DIRECTORY)
        for level in range(1200):
            deeper = os.open(b"level-%04d-abcdefgh" % level, os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        with open(os.open(b"bottom", os.O_WRONLY | os.O_APPEND, dir_fd=fd), "wb") as file:
            file.write(b", changed")
        os.mkfifo(b"new-%d" % os.fstat(fd).st_mtime_ns, dir_fd=fd)
        os.close(fd)
    closed = top + b"/traps/closed-0555"
    if ROOT and os.path.isdir(closed):
        append(closed + b"/file", b"and changed")
        os.makedirs(closed + b"/new", 0, exist_ok=True)
    if os.path.isdir(top + b"/empty"):
        os.rmdir(top + b"/empty")
        put(top + b"/empty", b"a file where a directory was")


class Random:
    """Random changes of what lies in the ordinary groups."""

    def __init__(self, top, seed):
        self.rng = random.Random(seed)
        self.directories, self.files = [], []
        for group in (b"names", b"sizes", b"contents", b"links", b"symlinks", b"special", b"wide", b"times", b"owners", b"changing/moves"):
            for path, dirs, files in os.walk(os.path.join(top, group)):
                dirs.sort()
                self.directories.append(path)
                self.files += [os.path.join(path, name) for name in sorted(files)]

    def run(self, count):
        acts = (self.delete, self.append, self.truncate, self.rename, self.stealth, self.replace, self.link, self.mode, self.time, self.new, self.new_tree)
        for _ in range(count):
            act = self.rng.choice(acts)
            path = self.rng.choice(self.files)
            try:
                regular = stat.S_ISREG(os.lstat(path).st_mode)
                act(path, regular)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):  # changed already; or not ours
                continue

    def fresh(self):
        return os.path.join(self.rng.choice(self.directories), b"new-%d" % self.rng.randrange(10**9))

    def delete(self, path, regular):
        os.unlink(path)

    def append(self, path, regular):
        if regular:
            append(path, self.rng.randbytes(self.rng.choice((1, 100, 5000, 100_000))))

    def truncate(self, path, regular):
        if regular:
            os.truncate(path, self.rng.randrange(os.lstat(path).st_size + 2))

    def rename(self, path, regular):
        os.rename(path, self.fresh())

    def stealth(self, path, regular):
        if regular and os.lstat(path).st_size:
            at = self.rng.randrange(os.lstat(path).st_size)
            keep_times(path, lambda: in_place(path, at, b"%c" % self.rng.randrange(256)))

    def replace(self, path, regular):
        os.unlink(path)
        make_one(path, self.rng.choice(TYPES), b"random")

    def link(self, path, regular):
        os.link(path, self.fresh(), follow_symlinks=False)

    def mode(self, path, regular):
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            os.chmod(path, self.rng.randrange(0o10000) | 0o400)

    def time(self, path, regular):
        os.utime(path, ns=(0, self.rng.randrange(-2**31, 2**33) * 10**9 + self.rng.randrange(10**9)), follow_symlinks=False)

    def new(self, path, regular):
        make_one(self.fresh(), self.rng.choice(TYPES), b"fresh")

    def new_tree(self, path, regular):
        top = self.fresh()
        os.mkdir(top)
        for i in range(self.rng.randrange(30)):
            put(top + b"/%d" % i, self.rng.randbytes(self.rng.randrange(3000)))
