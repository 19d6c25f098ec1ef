#!/usr/bin/env python3
"""Makes a tree that holds everything a tree can hold:  torture_tree.py DIR   (DIR must not exist)

As root: devices, foreign owners, trusted and security attributes, too.  Deterministic but for what the kernel gives.
"""

import os
import random
import socket
import stat
import struct
import sys

ROOT = os.geteuid() == 0
rng = random.Random(20261121)


def write(path, data=b"x", dir_fd=None, mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=dir_fd)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def names(d):
    os.mkdir(d)
    for byte in range(1, 256):
        if byte not in (0x2f, 0x2e):
            write(os.path.join(d, bytes([byte])), bytes([byte]))
    for name in (b"...", b" leading", b"trailing ", b"new\nline", b"-rf", b"**", b"caf\xc3\xa9", b"\xff\xfe", b"n" * 255,
                 b"\x80" * 255, b"%2e", b"a\tb", b"~~", b"$(reboot)"):
        write(os.path.join(d, name), name)
    os.mkdir(os.path.join(d, b"sorted"))
    for name in (b"a", b"a.b", b"a-b", b"ab", b"a b", b"A", b"a\x01"):
        os.mkdir(os.path.join(d, b"sorted", name))
        write(os.path.join(d, b"sorted", name, b"f"))


def deep(d, levels=1200):
    os.mkdir(d)
    fd = os.open(d, os.O_DIRECTORY)
    for level in range(levels):
        name = b"level-%04d-abcdefgh" % level
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_DIRECTORY, dir_fd=fd)
        if level % 100 == 99:
            write(b"file", b"%d" % level, dir_fd=fd)
            os.symlink(b"../file", b"link", dir_fd=fd)
        os.close(fd)
        fd = deeper
    write(b"bottom", b"the end", dir_fd=fd)
    os.close(fd)


def contents(d):
    os.mkdir(d)
    for size in (0, 1, 191, 192, 193, 4095, 4096, 4097, 16384, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3_000_000):
        write(os.path.join(d, b"random-%d" % size), rng.randbytes(size))
        write(os.path.join(d, b"same-%d" % size), b"s" * size)
    shared = rng.randbytes(500_000)
    write(os.path.join(d, b"copy-1"), shared)
    write(os.path.join(d, b"copy-2"), shared)
    write(os.path.join(d, b"shifted"), b"inserted" + shared)


def sparse(d):
    os.mkdir(d)
    shapes = {b"only-hole": (1 << 30, []), b"hole-1TiB": (1 << 40, []), b"data-at-end": (1 << 31, [((1 << 31) - 5, b"tail!")]),
              b"data-at-begin": (1 << 24, [(0, b"head")]), b"islands": (1 << 26, [(i << 20, b"%d" % i * 9000) for i in range(0, 64, 7)]),
              b"1TiB-with-data": (1 << 40, [(1 << 39, b"middle")]), b"one-block-hole": (12288, [(0, b"a" * 4096), (8192, b"b" * 4096)])}
    for name, (size, parts) in shapes.items():
        with open(os.path.join(d, name), "wb") as file:
            for offset, data in parts:
                file.seek(offset)
                file.write(data)
            file.truncate(size)


def links(d):
    for sub in (b"", b"sub1", b"sub2"):
        os.mkdir(os.path.join(d, sub))
    first = os.path.join(d, b"sub1", b"original")
    write(first, rng.randbytes(100_000))
    os.setxattr(first, b"user.linked", b"yes")
    for name in (b"a-before", b"z-after", b"sub2/other"):
        os.link(first, os.path.join(d, name))
    write(os.path.join(d, b"tiny"), b"t")
    os.link(os.path.join(d, b"tiny"), os.path.join(d, b"tiny2"))
    for i, target in enumerate((b"tiny", b"nowhere", b"/etc/passwd", b"..", b"\xff\xfe\n", b"l" * 4095, b"sub1/")):
        os.symlink(target, os.path.join(d, b"sym%d" % i))
    os.link(os.path.join(d, b"sym0"), os.path.join(d, b"sym-linked"), follow_symlinks=False)
    os.mkfifo(os.path.join(d, b"fifo"))
    os.link(os.path.join(d, b"fifo"), os.path.join(d, b"fifo-linked"))


def special(d):
    os.mkdir(d)
    os.mkfifo(os.path.join(d, b"fifo"), 0o620)
    here = os.open(d, os.O_DIRECTORY)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(b"/proc/self/fd/%d/socket" % here)
    os.close(here)
    if ROOT:
        os.mknod(os.path.join(d, b"null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(os.path.join(d, b"block"), stat.S_IFBLK | 0o660, os.makedev(259, 1048575))
        os.link(os.path.join(d, b"null"), os.path.join(d, b"null-linked"))


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def attributes(d):
    os.mkdir(d)
    path = os.path.join(d, b"user")
    write(path)
    os.setxattr(path, b"user.empty", b"")
    os.setxattr(path, b"user.bytes", bytes(range(256)))
    os.setxattr(path, b"user.\xff\xfe", b"name that is no UTF-8")
    os.setxattr(path, b"user.rsync.%stat", b"100644 0,0 0:0")
    tree = os.path.join(d, b"dir")
    os.mkdir(tree)
    os.setxattr(tree, b"user.on-a-directory", b"1")
    nobody = 0xffffffff
    access = acl((1, 6, nobody), (2, 7, 4242), (4, 4, nobody), (16, 7, nobody), (32, 0, nobody))
    default = acl((1, 7, nobody), (2, 5, 4242), (4, 5, nobody), (8, 4, 77), (16, 7, nobody), (32, 1, nobody))
    write(os.path.join(d, b"acl"))
    try:
        os.setxattr(os.path.join(d, b"acl"), b"system.posix_acl_access", access)
        os.setxattr(tree, b"system.posix_acl_access", access)
        os.setxattr(tree, b"system.posix_acl_default", default)
    except OSError:
        pass  # a file system without ACLs
    if not ROOT:
        return
    os.setxattr(path, b"trusted.secret", b"t")
    os.symlink(b"user", os.path.join(d, b"link"))
    os.setxattr(os.path.join(d, b"link"), b"trusted.on-a-link", b"l", follow_symlinks=False)
    program = os.path.join(d, b"program")
    write(program, b"#!", mode=0o755)
    os.chown(program, 1234, 5678)
    os.setxattr(program, b"security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    os.setxattr(program, b"security.other", b"s")


def modes(d):
    os.mkdir(d)
    for mode in [*range(0, 0o1000, 7), 0o1777, 0o2755, 0o4755, 0o6711, 0o7777]:
        path = os.path.join(d, b"%04o" % mode)
        write(path, b"m")
        if ROOT:
            os.chown(path, mode, 4294967294 - mode)
        os.chmod(path, mode)
    for mode in (0o700, 0o1777, 0o2770, 0o555):
        path = os.path.join(d, b"d%04o" % mode)
        os.mkdir(path)
        os.chmod(path, mode)


def times(d):
    os.mkdir(d)
    for ns in (0, 1, 999_999_999, -1, -1_000_000_000, -2_000_000_000 * 10**9, 253_402_300_800 * 10**9 // 20 + 7,
               2**31 * 10**9, (2**32 + 12345) * 10**9 + 123_456_789, 15_000_000_000 * 10**9 + 5, 9_300_000_000 * 10**9 + 1):
        path = os.path.join(d, b"t%d" % ns)
        write(path)
        os.utime(path, ns=(ns, ns))
        os.symlink(b"t", path + b".link")
        os.utime(path + b".link", ns=(ns, ns), follow_symlinks=False)
        os.mkdir(path + b".dir")
        write(os.path.join(path + b".dir", b"inside"))
        os.utime(path + b".dir", ns=(ns, ns))


def wide(d, count=2500):
    os.mkdir(d)
    for i in range(count):
        write(os.path.join(d, b"%05d-%s" % (i, b"x" * (i % 40))), b"%d" % i)
    for i in range(50):
        os.mkdir(os.path.join(d, b"sub%03d" % i))


def main():
    top = os.fsencode(sys.argv[1])
    os.mkdir(top)
    os.umask(0)
    for make in (names, deep, contents, sparse, links, special, attributes, modes, times, wide):
        make(os.path.join(top, make.__name__.encode()))
    os.mkdir(os.path.join(top, b"empty"))


main()
