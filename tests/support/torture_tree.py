#!/usr/bin/env python3
"""Makes a tree that holds everything a tree can hold, and its changed second version.

    torture_tree.py [make] DIR [--huge] [--only GROUP,…]    DIR must not exist; --huge: what takes minutes
    torture_tree.py change DIR [--seed N]                   torture_change.py says what happens

As root: devices, foreign owners, trusted and security attributes, too.  Deterministic but for what the kernel gives.  What the
file system cannot hold (64 KiB of attributes on ext4, for one) is made smaller and said on standard error.
"""

import argparse
import errno
import os
import random
import socket
import stat
import struct
import sys

from torture_change import change, changing

ROOT = os.geteuid() == 0
HUGE = False
NOBODY = 0xffffffff  # an ACL entry without a number
rng = random.Random(20261121)


def write(path, data=b"x", dir_fd=None, mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=dir_fd)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def write_islands(path, size, parts):
    with open(path, "xb") as file:
        for offset, data in parts:
            file.seek(offset)
            file.write(data)
        file.truncate(size)


def names(d):
    os.mkdir(d)
    for byte in range(1, 256):
        if byte not in (0x2f, 0x2e):
            write(os.path.join(d, bytes([byte])), bytes([byte]))
    evil = [b"...", b" ", b" leading", b"trailing ", b"new\nline", b"\r\n", b"-rf", b"--", b"**", b"?", b"[a-z]", b"{a,b}", b"!", b"#", b"~",
            b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe2\x80\xae", b"n" * 255, b"\x80" * 255, b"\n" * 255, b"%2e",
            b"%00", b"a\tb", b"~~", b"$(reboot)", b"`reboot`", b"; reboot", b"'", b'"', b"\\", b"a\\nb", b"CON", b"nul.", b"EXPORT.txt",
            b".snapshot", b"..a", b"a..", b"\x1b[2J", b"x" * 254, b"\xf0\x9f\x92\xa9" * 63, b"C:\\x", b":", b"user@host:path", b"a=b"]
    for name in evil:
        if len(name) > 1:
            write(os.path.join(d, name), name)
    kinds = os.path.join(d, b"kinds")
    os.mkdir(kinds)
    for name in evil:
        os.mkdir(os.path.join(kinds, name))
        os.symlink(name, os.path.join(kinds, name, name))
        os.mkfifo(os.path.join(kinds, name, b"fifo" + name[:251]))
    os.mkdir(os.path.join(d, b"sorted"))
    for name in (b"a", b"a.b", b"a-b", b"ab", b"a b", b"A", b"a\x01", b"a0", b"a\xff"):
        os.mkdir(os.path.join(d, b"sorted", name))
        write(os.path.join(d, b"sorted", name, b"f"))
        write(os.path.join(d, b"sorted", name + b"!"))


def descend(d, name_of, levels, at_level):
    os.mkdir(d)
    fd = os.open(d, os.O_DIRECTORY)
    for level in range(levels):
        os.mkdir(name_of(level), dir_fd=fd)
        deeper = os.open(name_of(level), os.O_DIRECTORY, dir_fd=fd)
        at_level(level, fd)
        os.close(fd)
        fd = deeper
    write(b"bottom", b"the end", dir_fd=fd)
    return fd


def deep(d):
    os.mkdir(d)

    def landing(level, fd):
        if level % 100 == 99:
            write(b"file", b"%d" % level * 400, dir_fd=fd)
            os.symlink(b"../file", b"link", dir_fd=fd)
            os.mkfifo(b"fifo", dir_fd=fd)

    bottom = descend(os.path.join(d, b"levels"), lambda level: b"level-%04d-abcdefgh" % level, 1200, landing)
    os.link(b"bottom", os.path.join(d, b"shallow"), src_dir_fd=bottom)
    os.utime(bottom, ns=(1, 1))
    os.close(bottom)
    os.close(descend(os.path.join(d, b"long"), lambda level: b"%03d" % level + b"l" * 252, 40, landing))
    if HUGE:
        os.close(descend(os.path.join(d, b"abyss"), lambda level: b"d", 20_000, lambda level, fd: None))


def sizes(d):
    os.mkdir(d)
    around = {0, 1, 2, 191, 192, 193, 511, 512, 513, 3_000_000}
    for power in range(10, 23):
        around |= {(1 << power) - 1, 1 << power, (1 << power) + 1}
    source = rng.randbytes(1 << 22) + b"!"
    for size in sorted(around):
        write(os.path.join(d, b"random-%d" % size), source[:size])
        if size <= 1 << 20:
            write(os.path.join(d, b"same-%d" % size), b"s" * size)


def contents(d):
    os.mkdir(d)
    shared = rng.randbytes(500_000)
    write(os.path.join(d, b"copy-1"), shared)
    write(os.path.join(d, b"copy-2"), shared)
    write(os.path.join(d, b"shifted"), b"inserted" + shared)
    write(os.path.join(d, b"twice"), shared + shared)
    write(os.path.join(d, b"period"), shared[:4096] * 200)
    write(os.path.join(d, b"zeros"), bytes(1 << 20))
    write(os.path.join(d, b"zeros-between"), b"a" * 5000 + bytes(300_000) + b"b")
    write(os.path.join(d, b"zero-byte"), b"\0")
    write(os.path.join(d, b"text"), b"".join(b"line %d\n" % i for i in range(100_000)))
    for i in range(8):  # the same size and time
        write(os.path.join(d, b"collision-%d" % i), b"%d" % i * 1000)
        os.utime(os.path.join(d, b"collision-%d" % i), ns=(10**18, 10**18))


def sparse(d):
    os.mkdir(d)
    kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
    shapes = {b"only-hole": (gib, []), b"hole-of-1": (1, []), b"hole-of-100": (100, []), b"hole-of-4095": (4095, []), b"hole-of-4096": (4096, []),
              b"hole-of-4097": (4097, []), b"hole-1TiB": (1 << 40, []), b"data-at-end": (2 * gib, [(2 * gib - 5, b"tail!")]),
              b"data-at-begin": (16 * mib, [(0, b"head")]), b"islands": (64 * mib, [(i << 20, b"%d" % i * 9000) for i in range(0, 64, 7)]),
              b"1TiB-with-data": (1 << 40, [(1 << 39, b"middle")]), b"one-block-hole": (12288, [(0, b"a" * 4096), (8192, b"b" * 4096)]),
              b"comb": (8 * mib, [(i * 8192, b"%04d" % i * 1024) for i in range(1024)]),
              b"unaligned": (mib, [(12345, b"u" * 10_001), (300_001, b"v" * 77)])}
    for size in (2 * gib - 1, 2 * gib, 2 * gib + 1, 4 * gib - 1, 4 * gib, 4 * gib + 1, 8 * gib, 8 * gib + 1):
        shapes[b"limit-%d" % size] = (size, [(0, b"begin"), (size // 2, b"middle"), (size - 3, b"end")])
    for name, (size, parts) in shapes.items():
        write_islands(os.path.join(d, name), size, parts)
    if HUGE:
        write_islands(os.path.join(d, b"largest"), (1 << 44) - 4096, [((1 << 44) - 8192, b"end")])
        write_islands(os.path.join(d, b"fine-comb"), 512 * mib, [(i * 8 * kib, b"%08d" % i * 512) for i in range(65536)])


def links(d):
    for sub in (b"", b"sub1", b"sub2", b"sub2/deeper", b"many"):
        os.mkdir(os.path.join(d, sub))
    first = os.path.join(d, b"sub1", b"original")
    write(first, rng.randbytes(100_000))
    os.setxattr(first, b"user.linked", b"yes")
    for name in (b"a-before", b"z-after", b"sub2/other", b"sub2/deeper/another"):
        os.link(first, os.path.join(d, name))
    write(os.path.join(d, b"tiny"), b"t")
    os.link(os.path.join(d, b"tiny"), os.path.join(d, b"tiny2"))
    write(os.path.join(d, b"empty"), b"")
    os.link(os.path.join(d, b"empty"), os.path.join(d, b"sub1", b"empty"))
    write_islands(os.path.join(d, b"sparse"), 1 << 30, [(1 << 29, b"linked")])
    os.link(os.path.join(d, b"sparse"), os.path.join(d, b"sub2", b"sparse"))
    os.symlink(b"tiny", os.path.join(d, b"symlink"))
    os.mkfifo(os.path.join(d, b"fifo"))
    made = [b"symlink", b"fifo"]
    if ROOT:
        os.mknod(os.path.join(d, b"char"), stat.S_IFCHR | 0o600, os.makedev(5, 1))
        os.mknod(os.path.join(d, b"block"), stat.S_IFBLK | 0o600, os.makedev(7, 0))
        made += [b"char", b"block"]
    for name in made:
        os.link(os.path.join(d, name), os.path.join(d, name + b"-2"), follow_symlinks=False)
        os.link(os.path.join(d, name), os.path.join(d, b"sub1", name), follow_symlinks=False)
    for i in range(60_000 if HUGE else 300):  # two files whose names alternate
        at = os.path.join(d, b"many", b"%05d" % i)
        if i < 2:
            write(at, b"%d" % i * 2000)
        else:
            os.link(os.path.join(d, b"many", b"%05d" % (i % 2)), at)


def symlinks(d):
    os.mkdir(d)
    for i, target in enumerate((b"0", b"nowhere", b"/etc/passwd", b"..", b".", b"/", b"\xff\xfe\n", b"\xed\xa0\x80", b"l" * 4095, b"dir/", b"dir/../dir",
                                b"//", b"a b", b"self", b"\x1b[2J", b"%41", b"x" * 59, b"y" * 60, b"z" * 61)):
        os.symlink(target, os.path.join(d, b"%d" % i))
    os.symlink(b"self", os.path.join(d, b"self"))
    os.symlink(b"ring-2", os.path.join(d, b"ring-1"))
    os.symlink(b"ring-1", os.path.join(d, b"ring-2"))
    os.mkdir(os.path.join(d, b"dir"))
    write(os.path.join(d, b"dir", b"inside"))
    for name in (b"dir ", b"dir.", b"dir-", b"dir0", b"di"):  # sorted around the directory of nearly that name
        os.symlink(b"dir", os.path.join(d, name))
    if ROOT:
        os.chown(os.path.join(d, b"1"), 4242, 2**32 - 2, follow_symlinks=False)


def special(d):
    os.mkdir(d)
    for mode in (0, 0o620, 0o7777):
        os.mkfifo(os.path.join(d, b"fifo-%04o" % mode))
        os.chmod(os.path.join(d, b"fifo-%04o" % mode), mode)
    here = os.open(d, os.O_DIRECTORY)
    for name in (b"socket", b"socket-linked"):
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(b"/proc/self/fd/%d/%s" % (here, name))
        unix.close()
    os.link(b"socket-linked", b"socket-linked-2", src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
    os.chmod(os.path.join(d, b"socket"), 0o4711)
    os.close(here)
    if not ROOT:
        return
    for kind, prefix in ((stat.S_IFCHR, b"c"), (stat.S_IFBLK, b"b")):
        for major, minor in ((0, 0), (1, 3), (8, 255), (8, 256), (255, 1), (256, 1), (4095, 0), (259, 1048575)):
            os.mknod(os.path.join(d, b"%s-%d-%d" % (prefix, major, minor)), kind | 0o640, os.makedev(major, minor))
    os.link(os.path.join(d, b"c-1-3"), os.path.join(d, b"null-linked"))
    os.chown(os.path.join(d, b"b-8-256"), 77, 88)
    os.chmod(os.path.join(d, b"b-8-256"), 0o1666)
    os.utime(os.path.join(d, b"b-8-256"), ns=(-5, -5))


def set_largest(path, name, sizes):
    for size in sizes:
        try:
            os.setxattr(path, name, rng.randbytes(size))
            return
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.E2BIG, errno.EDQUOT):
                raise
        print("torture_tree: no attribute of %d bytes here" % size, file=sys.stderr)


def attributes(d):
    os.mkdir(d)
    path = os.path.join(d, b"user")
    write(path)
    for name, value in ((b"empty", b""), (b"bytes", bytes(range(256))), (b"\xff\xfe", b"name that is no UTF-8"), (b"rsync.%stat", b"100644 0,0 0:0"),
                        (b"new\nline", b"\n"), (b" ", b" "), (b"n" * 250, b"long name"), (b"DOSATTRIB", b"\0\0")):
        os.setxattr(path, b"user." + name, value)
    write(os.path.join(d, b"many"))
    for i in range(60):
        os.setxattr(os.path.join(d, b"many"), b"user.%03d" % i, b"%d" % i)
    write(os.path.join(d, b"large"))
    set_largest(os.path.join(d, b"large"), b"user.large", (65536, 60_000, 30_000, 3_800))
    write(os.path.join(d, b"unreadable"), mode=0)
    tree = os.path.join(d, b"dir")
    os.mkdir(tree)
    os.setxattr(tree, b"user.on-a-directory", b"1")
    set_largest(tree, b"user.large", (65536, 3_500))
    if not ROOT:
        return
    os.setxattr(path, b"trusted.secret", b"t")
    os.setxattr(tree, b"trusted.overlay.opaque", b"y")
    os.symlink(b"user", os.path.join(d, b"link"))
    os.mkfifo(os.path.join(d, b"fifo"))
    os.mknod(os.path.join(d, b"device"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
    for name in (b"link", b"fifo", b"device"):
        for attribute in (b"trusted.on-" + name, b"security.on-" + name, b"trusted.\xfe"):
            os.setxattr(os.path.join(d, name), attribute, name, follow_symlinks=False)
    for name, value in ((b"v2", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)), (b"v3", struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, 1000))):
        program = os.path.join(d, b"program-" + name)
        write(program, b"#!", mode=0o755)
        os.chown(program, 1234, 5678)
        os.setxattr(program, b"security.capability", value)
    os.setxattr(path, b"security.other", b"s")


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32


def base_acl(user, group, other, named=(), mask=None):
    return acl((USER_OBJ, user, NOBODY), *[n for n in named if n[0] == USER], (GROUP_OBJ, group, NOBODY), *[n for n in named if n[0] == GROUP],
               *([(MASK, mask, NOBODY)] if mask is not None else []), (OTHER, other, NOBODY))


def acls(d):
    os.mkdir(d)
    kinds = {b"user": base_acl(6, 4, 0, [(USER, 7, 4242)], 7), b"group": base_acl(6, 4, 4, [(GROUP, 5, 77)], 5), b"both": base_acl(7, 5, 1, [(USER, 4, 1), (GROUP, 2, 2)], 6),
             b"narrow-mask": base_acl(7, 7, 0, [(USER, 7, 3)], 1), b"zero-mask": base_acl(7, 7, 7, [(USER, 7, 3)], 0), b"mask-only": base_acl(6, 4, 4, [], 6),
             b"nothing": base_acl(0, 0, 0, [(USER, 0, 5)], 0), b"high-number": base_acl(6, 4, 4, [(USER, 6, 2**32 - 2), (GROUP, 4, 2**31)], 6),
             b"many": base_acl(6, 4, 4, [(USER, i % 8, 1000 + i) for i in range(100)], 7), b"root": base_acl(6, 0, 0, [(USER, 6, 0), (GROUP, 6, 0)], 6)}
    default = base_acl(7, 5, 1, [(USER, 5, 4242), (GROUP, 4, 77)], 7)
    try:
        for name, access in kinds.items():
            write(os.path.join(d, name))
            os.setxattr(os.path.join(d, name), b"system.posix_acl_access", access)
        for name, access in ((b"default-only", None), (b"default-and-access", kinds[b"both"]), (b"default-setgid", kinds[b"narrow-mask"])):
            tree = os.path.join(d, name)
            os.mkdir(tree)
            for inner in (b"before", b"beside"):  # what was there before must not inherit in a restore
                write(os.path.join(tree, inner), mode=0o640)
                os.mkdir(os.path.join(tree, inner + b".d"), 0o700)
            os.setxattr(tree, b"system.posix_acl_default", default)
            write(os.path.join(tree, b"inherited"), mode=0o666)
            os.mkdir(os.path.join(tree, b"inherited.d"))
            os.symlink(b"before", os.path.join(tree, b"link"))
            os.mkfifo(os.path.join(tree, b"fifo"))
            if access:
                os.setxattr(tree, b"system.posix_acl_access", access)
        os.chmod(os.path.join(d, b"default-setgid"), 0o2775)
        os.mkdir(os.path.join(d, b"default-base"))
        os.setxattr(os.path.join(d, b"default-base"), b"system.posix_acl_default", base_acl(7, 0, 0))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        print("torture_tree: no ACLs here", file=sys.stderr)


def modes(d):
    os.mkdir(d)
    os.mkdir(os.path.join(d, b"dirs"))
    for mode in range(0o10000):
        path = os.path.join(d, b"%04o" % mode)
        write(path, b"m")
        if ROOT and mode % 3 == 0:
            os.chown(path, mode, 4294967294 - mode)
        os.chmod(path, mode)
        if mode % 37 == 0 or mode in (0o700, 0o1777, 0o2770, 0o555, 0o7777):
            tree = os.path.join(d, b"dirs", b"%04o" % mode)
            os.mkdir(tree)
            write(os.path.join(tree, b"inside"))
            os.chmod(tree, mode)


def owners(d):
    os.mkdir(d)
    if not ROOT:
        return
    for number in (0, 1, 1000, 32767, 32768, 65534, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2):
        base = os.path.join(d, b"%d" % number)
        write(base)
        os.mkdir(base + b".d")
        os.symlink(b"target", base + b".l")
        os.mkfifo(base + b".p")
        for end in (b"", b".d", b".l", b".p"):
            os.chown(base + end, number, 2**32 - 2 - number, follow_symlinks=False)


def times(d):
    os.mkdir(d)
    second = 10**9
    for ns in (0, 1, 999_999_999, -1, -second, -second - 1, -2_000_000_000 * second, -2**31 * second, 253_402_300_800 * second // 20 + 7, (2**31 - 1) * second,
               2**31 * second, 2**32 * second, (2**32 + 12345) * second + 123_456_789, 9_223_372_036 * second + 999_999_999, 9_300_000_000 * second + 1,
               15_000_000_000 * second + 5):
        path = os.path.join(d, b"t%d" % ns)
        write(path)
        os.mkfifo(path + b".p")
        os.symlink(b"t", path + b".link")
        os.mkdir(path + b".dir")
        write(os.path.join(path + b".dir", b"inside"))
        for end in (b"", b".p", b".link", b".dir"):
            os.utime(path + end, ns=(ns, ns), follow_symlinks=False)
    for end in (b".file", b".dir"):  # nothing but nanoseconds between them
        for ns in (1, 2, 1000, 1_000_001):
            path = os.path.join(d, b"n%d" % ns + end)
            write(path) if end == b".file" else os.mkdir(path)
            os.utime(path, ns=(0, 1_600_000_000 * second + ns))


def traps(d):
    """What comes back wrong when a restore does things in the wrong order."""
    os.mkdir(d)
    for mode in (0o555, 0o000, 0o111, 0o222, 0o1555, 0o2555):
        tree = os.path.join(d, b"closed-%04o" % mode)
        os.makedirs(os.path.join(tree, b"below", b"deeper"))
        write(os.path.join(tree, b"file"), b"in a closed directory" * 100)
        write(os.path.join(tree, b"below", b"deeper", b"file"))
        os.link(os.path.join(tree, b"file"), os.path.join(tree, b"below", b"link"))
        os.symlink(b"file", os.path.join(tree, b"symlink"))
        os.chmod(os.path.join(tree, b"below", b"deeper"), mode)
        os.chmod(tree, mode)
        os.utime(tree, ns=(0, 1_000_000_000_000_000_001))
    for mode in (0o4755, 0o2755, 0o6755, 0o4400, 0o2070, 0o0444, 0o0000):
        path = os.path.join(d, b"owned-%04o" % mode)
        write(path, b"program" * 3000)
        if ROOT:
            os.chown(path, 4321, 8765)
        os.chmod(path, mode)
        os.link(path, path + b"-linked")
    os.mkdir(os.path.join(d, b"real"))
    write(os.path.join(d, b"real", b"file"), b"real")
    os.symlink(b"real", os.path.join(d, b"rea"))
    os.symlink(b"real", os.path.join(d, b"real.link"))
    os.mkdir(os.path.join(d, b"setgid"))
    if ROOT:
        os.chown(os.path.join(d, b"setgid"), 0, 4711)
        both = os.path.join(d, b"caps-and-owner")
        write(both, b"#!" * 400, mode=0o755)
        os.chown(both, 99, 98)
        os.setxattr(both, b"security.capability", struct.pack("<IIIII", 0x02000001, 1 << 12, 0, 0, 0))
        os.chmod(both, 0o6755)
    os.chmod(os.path.join(d, b"setgid"), 0o2777)
    os.mkdir(os.path.join(d, b"setgid", b"not-setgid"), 0o755)
    os.chmod(os.path.join(d, b"setgid", b"not-setgid"), 0o755)
    if ROOT:
        os.chown(os.path.join(d, b"setgid", b"not-setgid"), 5, 6)
    write(os.path.join(d, b"setgid", b"file"))
    if ROOT:
        os.chown(os.path.join(d, b"setgid", b"file"), 5, 6)


def wide(d):
    os.mkdir(d)
    fd = os.open(d, os.O_DIRECTORY)
    for i in range(100_000 if HUGE else 2500):
        write(b"%05d-%s" % (i, b"x" * (i % 40)), b"%d" % i, dir_fd=fd)
    for i in range(50):
        os.mkdir(b"sub%03d" % i, dir_fd=fd)
    os.close(fd)


def empty(d):
    os.mkdir(d)


GROUPS = (names, deep, sizes, contents, sparse, links, symlinks, special, attributes, acls, modes, owners, times, traps, wide, changing, empty)


def make(top, only):
    os.mkdir(top)
    os.umask(0)
    for group in GROUPS:
        if not only or group.__name__ in only:
            group(os.path.join(top, group.__name__.encode()))


def main():
    global HUGE
    parser = argparse.ArgumentParser(description="make or change a tree that holds everything")
    parser.add_argument("words", nargs="+", metavar="[make | change] DIR")
    parser.add_argument("--huge", action="store_true", help="100,000 entries in one directory, 60,000 hard links, …")
    parser.add_argument("--only", default="", help="only these groups, with commas between")
    parser.add_argument("--seed", type=int, default=1, help="of the random changes")
    options = parser.parse_args()
    HUGE = options.huge
    if options.words[0] == "change":
        change(os.fsencode(options.words[1]), options.seed)
    else:
        make(os.fsencode(options.words[-1]), set(filter(None, options.only.split(","))))


if __name__ == "__main__":
    main()
