#!/usr/bin/env python3
"""An independent reader of stores, written from docs/formats/{document,store,tree,snapshot}.md alone.

    bk_reader.py [options] STORE list
    bk_reader.py [options] STORE restore CLIENT LINE DEST      LINE: the snapshot's number in its client's journal
    bk_reader.py [options] STORE verify

Uses no index and checks every digest on its way.  --journals: also what is still in the making.  --key FILE: of an
encrypted store.  --unseal FILE: of sealed sources.  Needs the program zstd.
Exit status: 0 done, 1 damaged or not there.
"""
import argparse
import hashlib
import os
import re
import sys
from types import SimpleNamespace

import bk_tree
from bk_format import Damaged, number, parse_document, require
from bk_seal import Unsealed
from bk_store import Store

ONCE = ("client module method name sequence began ended by archive-sha256 root-type root-mode root-uid root-gid root-size root-mtime root-ctime "
        "root-device root-inode root-links root-node root-listing root-subdirectories root-changed root-unreadable files directories others bytes "
        "skipped-count previous seal sealed-root").split()
REPEATED = "request root-xattr root-extent skipped".split()


def time_of(value):
    m = re.fullmatch(r"(-?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", value.decode())
    require(m, "not a time: %r" % value)
    year, month, day, hour, minute, second = (int(m.group(i)) for i in range(1, 7))
    y = year - (month <= 2)  # days since 1970 in the proleptic Gregorian calendar
    era, doy = y // 400, (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    yoe = y - era * 400
    days = era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second, int((m.group(7) or "").ljust(9, "0"))


def journal(store, client):
    """(number, kind, snapshot id, source key) of each line, the chain checked."""
    with open(os.path.join(store.folder, "snapshots", client, "journal"), "rb") as file:
        data = file.read()
    require(data.startswith(b"bk-journal 1\n"), "not a journal")
    data = data[13:]
    data = data[:len(data) // 193 * 193]  # a torn end does not count
    previous = hashlib.sha256(b"bk-journal 1 %s %s" % (store.id.hex().encode(), client.encode())).hexdigest()
    for i in range(0, len(data), 193):
        line = data[i:i + 193].decode("ascii")
        m = re.fullmatch(r"(\d{20}) (snapshot|removal |hold    |release ) ([0-9a-f]{64}) ([0-9a-f]{32}) ([0-9a-f]{64})\n", line)
        require(m and int(m.group(1)) == i // 193 + 1, "a bad line %d" % (i // 193 + 1))
        require(hashlib.sha256((previous + " " + line[:128]).encode()).hexdigest() == m.group(5), "the chain is broken")
        yield int(m.group(1)), m.group(2).strip(), m.group(3), m.group(4), None if i == 0 else previous
        previous = m.group(5)


def source_key(store, record):
    source = b"\0".join(record[key] for key in ("client", "module", "method", "name"))
    return store.keys.source_key(source) if store.keys else hashlib.sha256(source).hexdigest()[:32]


def root_extent(value):
    word, _, rest = value.partition(b" ")
    if word == b"inline":
        return "inline", len(rest), rest
    if word == b"hole":
        return "hole", number(rest), None
    require(word in (b"chunk", b"list"), "an unknown extent")
    name, _, size = rest.partition(b" ")
    return word.decode(), number(size), bytes.fromhex(name.decode())


def root_of(record, unsealed):
    if "seal" in record:
        require(unsealed and record["seal"].decode() == unsealed.name, "it is sealed with another key")
        return unsealed.root(record)
    flat = {key: number(record["root-" + key]) for key in ("mode", "uid", "gid", "size", "device", "inode", "links")}
    entry = SimpleNamespace(**flat, type=record["root-type"].decode(), mtime=time_of(record["root-mtime"]), target=None, rdev=(0, 0), node=None,
                            extents=[root_extent(value) for value in record["root-extent"]], unreadable="root-unreadable" in record)
    entry.xattrs = [tuple(bytes.fromhex(part.decode()) for part in value.split(b" ")) for value in record["root-xattr"]]
    if entry.type == "d":
        entry.node = bytes.fromhex(record["root-node"].decode())
    return entry


def snapshots(store, client):
    lines = list(journal(store, client))
    removed = {line[2] for line in lines if line[1] == "removal"}
    for line, kind, name, source, previous in lines:
        if kind != "snapshot" or name in removed:
            continue
        data = store.object("snapshots/%s/%020d.snapshot" % (client, line))
        require(hashlib.sha256(data).hexdigest() == name, "snapshot %d is not the one that the journal names" % line)
        record = parse_document(data, "bk-snapshot", once=ONCE, repeated=REPEATED)
        require(record["client"].decode() == client and source_key(store, record) == source, "another source than its line says")
        require(record["previous"] == (previous or "none").encode(), "it continues another line")
        yield line, record


class Restorer:
    """Writes one snapshot below a folder; attributes last, directories after what is in them."""

    def __init__(self, store):
        self.store, self.linked, self.late = store, {}, []

    def restore(self, root, dest):
        stack = [(root, dest)]
        while stack:
            entry, path = stack.pop()
            first = self.linked.get((entry.device, entry.inode)) if entry.links > 1 and entry.type != "d" else None
            if first:
                os.link(first, path, follow_symlinks=False)
                continue
            self.make(entry, path)
            if entry.links > 1:
                self.linked[(entry.device, entry.inode)] = path
            if entry.type == "d":
                self.late.append((entry, path))
                stack += [(child, path + b"/" + child.name) for child in bk_tree.entries(self.store, entry.node)]
            else:
                self.attributes(entry, path)
        for entry, path in reversed(self.late):
            self.attributes(entry, path)

    def make(self, entry, path):
        if entry.type == "d":
            os.mkdir(path, 0o700)
        elif entry.type == "f":
            self.file(entry, path)
        elif entry.type == "l":
            os.symlink(entry.target, path)
        else:
            kind = {"p": 0o010000, "c": 0o020000, "b": 0o060000, "s": 0o140000}[entry.type]
            os.mknod(path, kind | 0o600, os.makedev(*entry.rdev))

    def file(self, entry, path):
        with open(path, "xb") as file:
            for kind, size, what in bk_tree.extents(self.store, entry.extents):
                if kind == "hole":
                    file.seek(size, os.SEEK_CUR)
                    continue
                data = what if kind == "inline" else self.store.read(b"D", what)
                require(len(data) == size, "a chunk of another length than its extent says")
                file.write(data)
            require(file.tell() == entry.size, "%r: extents do not add up to its size" % path)
            file.truncate(entry.size)

    def attributes(self, entry, path):
        here = dict(follow_symlinks=False)
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid, **here)
        if entry.type != "l":
            os.chmod(path, entry.mode)
        for name, value in entry.xattrs:
            os.setxattr(path, name, value, **here)
        nanoseconds = entry.mtime[0] * 10 ** 9 + entry.mtime[1]
        os.utime(path, ns=(nanoseconds, nanoseconds), **here)


def verify(store):
    """Reads every object that stands in any group."""
    for kind, name in store.places:
        store.read_stored(b"DLT"[kind:kind + 1], name)
    return len(store.places)


def clients_of(store):
    folder = os.path.join(store.folder, "snapshots")
    return sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))


def run(args):
    store = Store(args.store, args.journals, args.key)
    if args.verb == "verify":
        count = sum(1 for client in clients_of(store) for _ in snapshots(store, client))
        print("%d objects, %d snapshots" % (verify(store), count))
    elif args.verb == "list":
        for client in clients_of(store):
            for line, record in snapshots(store, client):
                print(client, line, record["method"].decode(), record["began"].decode(), os.fsdecode(record["name"]))
    else:
        client, line, dest = args.words
        found = [record for at, record in snapshots(store, client) if at == int(line)]
        require(found, "there is no such snapshot")
        os.umask(0)
        unsealed = Unsealed(store, args.unseal) if args.unseal else None
        Restorer(unsealed or store).restore(root_of(found[0], unsealed), os.fsencode(dest))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--journals", action="store_true")
    parser.add_argument("--key", metavar="FILE")
    parser.add_argument("--unseal", metavar="FILE")
    parser.add_argument("store")
    parser.add_argument("verb", choices=("list", "restore", "verify"))
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    try:
        run(args)
    except (Damaged, FileNotFoundError) as why:
        sys.exit("bk_reader: %s" % why)


if __name__ == "__main__":
    main()
