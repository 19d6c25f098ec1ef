"""Trees and lists, as docs/formats/tree.md describes them."""
from types import SimpleNamespace

from bk_format import Bytes, require

PAGE, INNER, LIST = 0, 1, 2


class Node:
    """A node's references, and the rest for its reader."""

    def __init__(self, data):
        self.rest = Bytes(data)
        require(self.rest.fixed(1) == 1, "an unknown node format")
        self.type = self.rest.fixed(1)
        counts = [self.rest.varint() for _ in range(3)]
        self.refs = {kind: [self.rest.raw(32) for _ in range(count)] for kind, count in zip("TLD", counts)}

    def take(self, kind):
        require(self.refs[kind], "more references used than there are")
        return self.refs[kind].pop(0)

    def end(self):
        self.rest.end()
        require(not any(self.refs.values()), "references that are not used")


def read_name(node, previous):
    shared = node.rest.varint(len(previous))
    name = previous[:shared] + node.rest.text(255)
    require(0 < len(name) <= 255 and b"/" not in name and b"\0" not in name and name not in (b".", b".."), "a bad name")
    return name


def read_extents(node):
    """(kind, bytes, id or content) each; kinds: chunk, hole, inline, list."""
    out = []
    for _ in range(node.rest.varint(65536)):
        word = node.rest.varint()
        kind, size = ("chunk", "hole", "inline", "list")[word & 3], word >> 2
        what = {"chunk": lambda: node.take("D"), "hole": lambda: None, "inline": lambda: node.rest.raw(size), "list": lambda: node.take("L")}[kind]()
        out.append((kind, size, what))
    return out


def read_entry(node, sets, before):
    rest = node.rest
    entry = SimpleNamespace(name=read_name(node, before.name), target=None, extents=[], node=None, size=0, xattrs=[], rdev=(0, 0))
    entry.type, entry.mode, entry.uid, entry.gid = sets[rest.varint(len(sets) - 1)]
    flags = rest.fixed(1)
    entry.seconds = rest.delta(before.seconds, signed=True)
    entry.mtime = (entry.seconds, rest.varint(999999999))
    if flags & 1:
        rest.delta(entry.seconds), rest.varint(999999999)
    entry.device = rest.varint() if flags & 2 else before.device
    entry.inode = rest.delta(before.inode)
    entry.links = rest.varint() if flags & 4 else 1
    entry.unreadable = bool(flags & 64)
    if entry.type == "f":
        entry.size = rest.varint()
        if flags & 16:
            entry.extents = read_extents(node)
        elif entry.size:
            entry.extents = [("chunk", entry.size, node.take("D"))]
    elif entry.type == "l":
        entry.target = rest.text()
    elif entry.type == "d":
        entry.node = node.take("T")
        rest.raw(32)
    elif entry.type in "cb":
        entry.rdev = (rest.varint(), rest.varint())
    if flags & 128:
        rest.varint()
    if flags & 8:
        entry.xattrs = [(rest.text(), rest.text()) for _ in range(rest.varint(65536))]
    return entry


def read_page(node):
    count, sets = node.rest.varint(65536), []
    for _ in range(node.rest.varint(65536)):
        kind = chr(node.rest.fixed(1))
        require(kind in "fdlpcbs", "an unknown type of entry")
        sets.append((kind, node.rest.varint(0o7777), node.rest.varint(2 ** 32 - 1), node.rest.varint(2 ** 32 - 1)))
    before = SimpleNamespace(name=b"", seconds=0, device=0, inode=0)
    for _ in range(count):
        entry = read_entry(node, sets, before)
        require(entry.name > before.name, "names out of order")
        yield entry
        before = entry
    node.end()


def entries(store, name):
    """All entries of the directory whose node has this id, in order."""
    stack, last = [(name, None)], b""
    while stack:
        name, level = stack.pop()
        node = Node(store.read(b"T", name))
        if node.type == PAGE:
            require(level in (None, 0), "a page stands too high")
            for entry in list(read_page(node)):
                require(entry.name > last, "pages out of order")
                last = entry.name
                yield entry
            continue
        require(node.type == INNER, "a list where a directory belongs")
        own, children, previous = node.rest.varint(12), [], b""
        require(own >= 1 and level in (None, own), "an inner node of another level")
        for _ in range(node.rest.varint(65536)):
            previous = read_name(node, previous)
            node.rest.varint()
            children.append((node.take("T"), own - 1))
        node.end()
        stack += reversed(children)


def extents(store, some):
    """All extents with the lists unfolded."""
    stack = list(reversed(some))
    while stack:
        kind, size, what = stack.pop()
        if kind != "list":
            yield kind, size, what
            continue
        node = Node(store.read(b"L", what))
        require(node.type == LIST, "a directory where a list belongs")
        below = read_extents(node)
        node.end()
        require(sum(bytes for _, bytes, _ in below) == size, "a list of another length")
        stack += reversed(below)
