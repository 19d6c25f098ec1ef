"""Small text files and numbers, as docs/formats/document.md and store.md describe them."""
import hashlib
import re


class Damaged(Exception):
    """Stored bytes are not what the format pages promise."""


def require(truth, why):
    if not truth:
        raise Damaged(why)


def short(data):
    """A short digest."""
    return hashlib.sha256(data).digest()[:16]


VALUE = re.compile(r"(?:[\x21-\x24\x26-\x7e]|%[0-9A-F]{2})*")


def decode_value(text):
    require(VALUE.fullmatch(text), "bad percent encoding")
    out = re.sub(rb"%(..)", lambda m: bytes([int(m.group(1), 16)]), text.encode("ascii"), flags=re.S)
    spelled = "".join(chr(b) if 0x21 <= b <= 0x7e and b != 0x25 else "%%%02X" % b for b in out)
    require(spelled == text, "a value in another spelling than its only one")
    return out


def parse_document(data, name, version=1, once=(), repeated=()):
    """The fields as {key: bytes}, or {key: [bytes, …]} for those that repeat."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Damaged("%s: not ASCII" % name) from None
    require(lines[0] == "%s %d" % (name, version), "not %s %d" % (name, version))
    require(len(lines) >= 3 and lines[-1] == "", "%s: cut short" % name)
    for line in lines[1:-2]:
        require(re.fullmatch(r"[a-z][a-z0-9-]{0,63}: .*", line) and not line.startswith("end: "), "%s: not a field: %r" % (name, line))
    seal = hashlib.sha256(data[:len(data) - len(lines[-2]) - 1]).hexdigest()
    require(lines[-2] == "end: sha256 " + seal, "%s: the seal does not match" % name)
    out = {key: [] for key in repeated}
    for line in lines[1:-2]:
        key, _, value = line.partition(": ")
        if key in repeated:
            out[key].append(decode_value(value))
        elif key in once:
            require(key not in out, "%s: %s stands twice" % (name, key))
            out[key] = decode_value(value)
        else:
            require(key.startswith("x-"), "%s: unknown key %s" % (name, key))
    return out


def number(value):
    require(re.fullmatch(rb"0|[1-9][0-9]*", value), "not a number: %r" % value)
    return int(value)


class Bytes:
    """Reads little-endian numbers and varints from a byte string."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, count):
        require(self.at + count <= len(self.data), "cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def fixed(self, count):
        return int.from_bytes(self.raw(count), "little")

    def varint(self, high=2 ** 64 - 1):
        value = shift = 0
        while True:
            byte = self.fixed(1)
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        require((byte or shift == 7) and value <= high, "a bad number")
        return value

    def delta(self, base, signed=False):
        word = self.varint()
        value = (base + ((word >> 1) ^ -(word & 1))) % 2 ** 64
        return value - 2 ** 64 if signed and value >= 2 ** 63 else value

    def text(self, high=4 << 20):
        return self.raw(self.varint(high))

    def end(self):
        require(self.at == len(self.data), "bytes follow the end")
