#!/usr/bin/env python3
"""Compares two trees (or two files) exactly and prints every difference.

    compare_trees.py [--no-owner] [--no-xattr] [--no-holes] [--no-root] [--no-dir-times] A B

Names, types, bytes, modes, numeric owners, nanosecond mtimes (of files, symlinks and directories), device
numbers, symlink targets, extended attributes of every namespace that this user can read (ACLs and
capabilities are among them), which names are hard links of one another, and where data and holes lie.
Exit status: 0 equal, 1 different, 2 could not compare.  Walks by descriptors: no path length limit.
--no-root leaves out the metadata of A and B themselves.
--as UID reads A as that user: what that user cannot read of A must be absent or empty in B, and its paths go, with NULs behind,
into the file that --unreadable names.  Attributes that only root sees are then no difference.
"""

import argparse
import contextlib
import errno
import os
import resource
import stat
import sys

BLOCK = 1 << 20
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


def kind_of(st):
    return KINDS.get(stat.S_IFMT(st.st_mode), "unknown")


def xattrs_at(dir_fd, name):
    path = b"/proc/self/fd/%d/%s" % (dir_fd, name)
    out = {}
    try:
        for key in os.listxattr(path, follow_symlinks=False):
            try:
                out[key] = os.getxattr(path, os.fsencode(key), follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            raise
    return out


def data_map(fd, size):
    """[(begin, end)] of the stretches that hold data."""
    out, at = [], 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        out.append((begin, min(at, size)))
    return out


def first_difference(fd_a, fd_b, stretches):
    for begin, end in stretches:
        at = begin
        while at < end:
            want = min(BLOCK, end - at)
            a, b = os.pread(fd_a, want, at), os.pread(fd_b, want, at)
            if a != b:
                for i, (x, y) in enumerate(zip(a, b)):
                    if x != y:
                        return at + i
                return at + min(len(a), len(b))
            if not a:
                return None
            at += len(a)
    return None


def union(one, two):
    out = []
    for begin, end in sorted(one + two):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


class Comparison:
    def __init__(self, options):
        self.options = options
        self.differences = 0
        self.entries = 0
        self.links = ({}, {})  # (device, inode) -> first path, for each side
        self.unread = []

    def report(self, path, text):
        self.differences += 1
        if self.differences <= self.options.limit:
            print("%s: %s" % (repr(os.fsdecode(path))[1:-1] or ".", text))

    @contextlib.contextmanager
    def reader(self):
        """Inside, this process is the user that reads A."""
        if self.options.uid is None or self.options.uid == os.geteuid():
            yield
            return
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(self.options.uid)
        os.seteuid(self.options.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)

    def unreadable(self, path, error):
        if self.options.uid is None or error.errno != errno.EACCES:
            raise error
        self.unread.append(path)

    def metadata(self, path, a, b, fd_a, fd_b, name_a, name_b):
        o = self.options
        if stat.S_IMODE(a.st_mode) != stat.S_IMODE(b.st_mode) and not stat.S_ISLNK(a.st_mode):
            self.report(path, "mode %04o / %04o" % (stat.S_IMODE(a.st_mode), stat.S_IMODE(b.st_mode)))
        if not o.no_owner and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
            self.report(path, "owner %d:%d / %d:%d" % (a.st_uid, a.st_gid, b.st_uid, b.st_gid))
        if a.st_mtime_ns != b.st_mtime_ns and not (o.no_dir_times and stat.S_ISDIR(a.st_mode)):
            self.report(path, "mtime %d / %d ns" % (a.st_mtime_ns, b.st_mtime_ns))
        if not o.no_xattr:
            with self.reader():
                xa = xattrs_at(fd_a, name_a)
            xb = xattrs_at(fd_b, name_b)
            for key in sorted(set(xa) | set(xb)):
                if xa.get(key) != xb.get(key):
                    self.report(path, "xattr %s %r / %r" % (key, xa.get(key), xb.get(key)))

    def topology(self, path, a, b):
        if stat.S_ISDIR(a.st_mode):
            return
        first_a = self.links[0].setdefault((a.st_dev, a.st_ino), path) if a.st_nlink > 1 else path
        first_b = self.links[1].setdefault((b.st_dev, b.st_ino), path) if b.st_nlink > 1 else path
        if first_a != first_b:
            self.report(path, "hard link of %r / of %r" % (os.fsdecode(first_a), os.fsdecode(first_b)))

    def content(self, path, a, b, dir_a, dir_b, name_a, name_b):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        if a.st_size != b.st_size:
            self.report(path, "size %d / %d" % (a.st_size, b.st_size))
            return
        fd_a = os.open(name_a, flags, dir_fd=dir_a)
        fd_b = os.open(name_b, flags, dir_fd=dir_b)
        try:
            map_a, map_b = data_map(fd_a, a.st_size), data_map(fd_b, b.st_size)
            at = first_difference(fd_a, fd_b, union(map_a, map_b))
            if at is not None:
                self.report(path, "content differs at byte %d" % at)
            elif map_a != map_b and not self.options.no_holes:
                self.report(path, "data lies at %s / %s" % (map_a[:8], map_b[:8]))
        finally:
            os.close(fd_a)
            os.close(fd_b)

    def one(self, path, dir_a, dir_b, name_a, name_b, is_root=False):
        """Compares one entry; true when both are directories to descend into."""
        self.entries += 1
        a = os.stat(name_a, dir_fd=dir_a, follow_symlinks=False)
        b = os.stat(name_b, dir_fd=dir_b, follow_symlinks=False)
        if kind_of(a) != kind_of(b):
            self.report(path, "%s / %s" % (kind_of(a), kind_of(b)))
            return False
        if not (is_root and self.options.no_root):
            self.metadata(path, a, b, dir_a, dir_b, name_a, name_b)
        self.topology(path, a, b)
        if stat.S_ISREG(a.st_mode):
            self.content(path, a, b, dir_a, dir_b, name_a, name_b)
        elif stat.S_ISLNK(a.st_mode):
            ta, tb = os.readlink(name_a, dir_fd=dir_a), os.readlink(name_b, dir_fd=dir_b)
            if ta != tb:
                self.report(path, "target %r / %r" % (ta, tb))
        elif (stat.S_ISCHR(a.st_mode) or stat.S_ISBLK(a.st_mode)) and a.st_rdev != b.st_rdev:
            self.report(path, "device number %d / %d" % (a.st_rdev, b.st_rdev))
        return stat.S_ISDIR(a.st_mode)

    def tree(self, top_a, top_b):
        parent_a = os.open(os.path.dirname(os.path.abspath(top_a)), os.O_RDONLY | os.O_DIRECTORY)
        parent_b = os.open(os.path.dirname(os.path.abspath(top_b)), os.O_RDONLY | os.O_DIRECTORY)
        name_a = os.path.basename(os.path.abspath(top_a)) or b"."
        name_b = os.path.basename(os.path.abspath(top_b)) or b"."
        if not self.one(b"", parent_a, parent_b, name_a, name_b, is_root=True):
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        stack = [(b"", os.open(name_a, flags, dir_fd=parent_a), os.open(name_b, flags, dir_fd=parent_b), None)]
        while stack:
            path, a, b, names = stack.pop()
            if names is None:
                in_a = self.names_of(path, a)
                in_b = set(os.fsencode(n) for n in os.listdir(b))
                for name in sorted(in_a - in_b):
                    self.report(os.path.join(path, name), "only in the first tree")
                for name in sorted(in_b - in_a):
                    self.report(os.path.join(path, name), "only in the second tree")
                names = iter(sorted(in_a & in_b))
            for name in names:
                if self.one(os.path.join(path, name), a, b, name, name):
                    stack.append((path, a, b, names))
                    below = self.open_directory(os.path.join(path, name), a, name)
                    stack.append((os.path.join(path, name), below, os.open(name, flags, dir_fd=b), None))
                    break
            else:
                if a is not None:
                    os.close(a)
                os.close(b)

    def open_directory(self, path, parent, name):
        """Nothing when the user that reads A may not."""
        try:
            with self.reader():
                return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            self.unreadable(path, error)
            return None

    def names_of(self, path, directory):
        """The names in a directory of A, without those that the user that reads A cannot ask for or read."""
        if directory is None:
            return set()
        names = set(os.fsencode(name) for name in os.listdir(directory))
        if self.options.uid is None:
            return names
        for name in sorted(names):
            try:
                with self.reader():
                    if stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                        os.close(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory))
            except OSError as error:
                self.unreadable(os.path.join(path, name), error)
                names.discard(name)
        return names


def main():
    parser = argparse.ArgumentParser(description="compare two trees exactly")
    for name, text in (("no-owner", "numeric owners"), ("no-xattr", "extended attributes"),
                       ("no-holes", "where holes lie"), ("no-root", "metadata of the two roots"),
                       ("no-dir-times", "mtimes of directories")):
        parser.add_argument("--" + name, action="store_true", help="leave out " + text)
    parser.add_argument("--as", type=int, dest="uid", metavar="UID", help="read the first tree as this user")
    parser.add_argument("--unreadable", metavar="FILE", help="where paths go that this user cannot read")
    parser.add_argument("--limit", type=int, default=50, help="print at most so many differences")
    parser.add_argument("--quiet", action="store_true", help="print nothing when equal")
    parser.add_argument("a")
    parser.add_argument("b")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    comparison = Comparison(options)
    try:
        comparison.tree(os.fsencode(options.a), os.fsencode(options.b))
    except OSError as error:
        print("compare_trees: %s" % error, file=sys.stderr)
        return 2
    if options.unreadable:
        with open(options.unreadable, "wb") as file:
            file.write(b"".join(path + b"\0" for path in comparison.unread))
    if comparison.differences:
        print("%d differences in %d entries" % (comparison.differences, comparison.entries))
        return 1
    if not options.quiet:
        print("equal: %d entries" % comparison.entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
