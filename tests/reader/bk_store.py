"""Packs, journals and objects, as docs/formats/store.md describes them.  No index: every file is read."""
import collections
import hashlib
import os
import re
import subprocess

from bk_crypt import Keys, mac, unseal
from bk_format import Bytes, Damaged, number, parse_document, require, short

KINDS = b"DLT"
MAX_OBJECT, MAX_GROUP = 4 << 20, 8 << 20
Group = collections.namedtuple("Group", "pack offset codec payload content kinds lengths ids")


def unzstd(frame, size):
    """One frame with content size and checksum, window at most 8 MiB, no dictionary (RFC 8878, 3.1.1.1)."""
    require(frame[:4] == b"\x28\xb5\x2f\xfd" and len(frame) > 5, "not a zstd frame")
    descriptor = frame[4]
    single, at = descriptor & 0x20, 5
    require(descriptor & 4, "a frame without checksum")
    require(not descriptor & 3, "a frame with a dictionary")
    if not single:
        exponent, mantissa = frame[5] >> 3, frame[5] & 7
        require((1 << (10 + exponent)) * (8 + mantissa) // 8 <= 8 << 20, "a window that is too large")
        at = 6
    width = {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[descriptor >> 6]
    require(width, "a frame without content size")
    stated = int.from_bytes(frame[at:at + width], "little") + (256 if width == 2 else 0)
    require(stated == size, "a frame of another content size")
    done = subprocess.run(["zstd", "-dcq", "--memory=16MB"], input=frame, capture_output=True, check=False)
    require(done.returncode == 0 and len(done.stdout) == size, "a frame that does not decode: %r" % done.stderr)
    return done.stdout


class Pack:
    """One pack or journal: a list of groups, all digests checked but those of the chunks."""

    def __init__(self, path, store, sealed):
        self.path, self.store, self.groups, self.sealed = path, store, [], False
        self.number = int(os.path.basename(path)[:16], 16)
        with open(path, "rb") as file:
            self.data = file.read()
        header = b"BKPACK01" + store.id + self.number.to_bytes(8, "little") + bytes(16)
        require(self.data[:64] == header + short(header), "not the header of this pack")
        self.digests, at = hashlib.sha256(), 64
        while at < len(self.data):
            try:
                at = self.record(at)
            except Damaged as why:
                require(not sealed, "%s offset %d: %s" % (path, at, why))
                break  # the torn end of a journal
        require(self.sealed or not sealed, path + ": no seal")

    def record(self, offset):
        require(not self.sealed, "a record behind the seal")
        data = self.data
        fixed = Bytes(data[offset:offset + 64])
        require(fixed.raw(4) == b"BKR1", "no record")
        kind, codec, cipher, flags = fixed.raw(1), fixed.fixed(1), fixed.fixed(1), fixed.fixed(1)
        key, count, table_bytes, payload_bytes, content_bytes, zero = (fixed.fixed(4) for _ in range(6))
        nonce, digest = fixed.raw(16), fixed.raw(16)
        require(kind in (b"G", b"M", b"S") and codec <= 1 and flags <= 1 and not zero, "an unknown record")
        keys = self.store.keys if kind == b"G" else None
        require(cipher == (1 if keys else 0), "not covered as the groups of this store are")
        require(key.to_bytes(4, "little") == keys.name[:4] if keys else key == 0 and nonce == bytes(16), "another key")
        more = 16 if keys else 0
        require(payload_bytes <= MAX_GROUP + 4096 + more and content_bytes <= MAX_GROUP and table_bytes <= 2359260 + more, "above the limits")
        at = offset + 64 + table_bytes
        head, payload = data[offset:at], data[at + 16:at + 16 + payload_bytes]
        require(at + 16 + payload_bytes <= len(data), "cut short")
        where = self.store.id + self.number.to_bytes(8, "little") + offset.to_bytes(8, "little")
        require(data[at:at + 16] == short(where + head), "a head that does not match its digest")
        require(digest == short(payload), "a payload that does not match its digest")
        table = head[64:]
        if keys:
            own = keys.record(nonce, self.number)
            table, payload = unseal(own, 1, where + head[:64], table), unseal(own, 2, where + head[:16], payload)
        table = Bytes(table)
        if kind == b"G":
            self.groups.append(self.group(offset, codec, payload, content_bytes, table, count, flags))
        else:
            require(not count and not payload_bytes and not content_bytes, "content where none belongs")
        if kind == b"S":
            self.sealed = True
            require(table.varint() == len(self.groups), "another number of groups than sealed")
            require(table.raw(32) == self.digests.digest(), "other records than those that were sealed")
        table.end()
        self.digests.update(data[at:at + 16])
        return at + 16 + payload_bytes

    def group(self, offset, codec, payload, content_bytes, table, count, flags):
        require(1 <= count <= 65535, "a bad number of chunks")
        words = [table.varint() for _ in range(count)]
        kinds, lengths = [word & 3 for word in words], [word >> 2 for word in words]
        require(all(kind < 3 for kind in kinds) and all(1 <= n <= MAX_OBJECT for n in lengths), "a bad chunk")
        require(sum(lengths) == content_bytes, "chunks do not add up")
        ids = None if flags & 1 else [table.raw(32) for _ in range(count)]
        return Group(self, offset, codec, payload, content_bytes, kinds, lengths, ids)


class Store:
    """Finds objects by kind and id; what it returns was hashed."""

    def __init__(self, folder, journals=False, key_file=None):
        self.folder, self.places, self.cache = folder, {}, collections.OrderedDict()
        with open(os.path.join(folder, "header"), "rb") as file:
            header = parse_document(file.read(), "bk-store", once=("id", "algorithm", "domain", "key", "chunk-min", "chunk-average", "chunk-max"))
        domain = number(header["domain"])
        require(header["algorithm"] == b"sha256" and domain <= 1, "an unknown algorithm or key domain")
        require(re.fullmatch(rb"[0-9a-f]{32}", header["id"]), "a bad id")
        self.id = bytes.fromhex(header["id"].decode())
        require((domain == 1) == ("key" in header) == bool(key_file), "a key belongs to domain 1, and only there")
        self.keys = Keys(key_file, self.id) if domain else None
        require(not domain or self.keys.name.hex() == header["key"].decode(), "it is another key")
        for name, sealed in self.files(journals):
            for group in Pack(name, self, sealed).groups:
                self.learn(group)

    def files(self, journals):
        packs = os.path.join(self.folder, "packs")
        for part in sorted(os.listdir(packs)) if os.path.isdir(packs) else ():
            for name in sorted(os.listdir(os.path.join(packs, part))):
                if re.fullmatch(r"[0-9a-f]{16}\.pack", name) and name[:2] == part:
                    yield os.path.join(packs, part, name), True
        making = os.path.join(self.folder, "journal")
        for name in sorted(os.listdir(making)) if journals else ():
            if re.fullmatch(r"[0-9a-f]{16}\.pack", name):
                yield os.path.join(making, name), False

    def decode(self, group):
        content = group.payload if group.codec == 0 else unzstd(group.payload, group.content)
        require(len(content) == group.content, "content of another length")
        return content

    def learn(self, group):
        ids, at = group.ids, 0
        content = self.decode(group) if ids is None else None
        for i, (kind, length) in enumerate(zip(group.kinds, group.lengths)):
            name = ids[i] if ids else self.identity(kind, content[at:at + length])
            self.places.setdefault((kind, name), []).append((group, at, length))
            at += length

    def identity(self, kind, content):
        """As the tables name it."""
        plain = hashlib.sha256(KINDS[kind:kind + 1] + content).digest()
        return mac(self.keys.identity, plain) if self.keys else plain

    def read(self, kind, name):
        """The object that a node or record names."""
        return self.read_stored(kind, mac(self.keys.identity, name) if self.keys else name)

    def read_stored(self, kind, name):
        kind = KINDS.index(kind)
        for group, at, length in self.places.get((kind, name), ()):
            place = (group.pack.number, group.offset)
            if place not in self.cache:
                self.cache[place] = self.decode(group)
                while len(self.cache) > 24:
                    self.cache.popitem(last=False)
            self.cache.move_to_end(place)
            content = self.cache[place][at:at + length]
            if self.identity(kind, content) == name:
                return content
        raise Damaged("object %s is missing or damaged" % name.hex())

    def object(self, name):
        """An object of the store that is not a pack: a snapshot's record, a mark."""
        with open(os.path.join(self.folder, name), "rb") as file:
            data = file.read()
        return self.keys.uncover(name, data) if self.keys else data
