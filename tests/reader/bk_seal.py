"""Sealed sources, as docs/formats/store.md describes them: HPKE (RFC 9180) for the root, keyed AES-256-GCM for the rest.

The standard library has neither X25519 nor AES: the primitives are taken from libcrypto.
"""
import ctypes
import ctypes.util
import hashlib

import bk_tree
from bk_crypt import mac, unseal
from bk_format import Bytes, parse_document, require
from bk_store import unzstd

X25519 = 1034  # NID


def exchange(private, public):
    """X25519 of RFC 7748, and the public key of `private`."""
    lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
    for name in ("EVP_PKEY_new_raw_private_key", "EVP_PKEY_new_raw_public_key", "EVP_PKEY_CTX_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    mine = ctypes.c_void_p(lib.EVP_PKEY_new_raw_private_key(X25519, None, private, ctypes.c_size_t(32)))
    theirs = ctypes.c_void_p(lib.EVP_PKEY_new_raw_public_key(X25519, None, public, ctypes.c_size_t(32)))
    context = ctypes.c_void_p(lib.EVP_PKEY_CTX_new(mine, None))
    shared, own, size = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32), ctypes.c_size_t(32)
    good = lib.EVP_PKEY_derive_init(context) == 1 and lib.EVP_PKEY_derive_set_peer(context, theirs) == 1
    good = good and lib.EVP_PKEY_derive(context, shared, ctypes.byref(size)) == 1
    good = good and lib.EVP_PKEY_get_raw_public_key(mine, own, ctypes.byref(size)) == 1
    lib.EVP_PKEY_CTX_free(context), lib.EVP_PKEY_free(mine), lib.EVP_PKEY_free(theirs)
    require(good, "no X25519 key")
    return shared.raw, own.raw


def hpke_open(private, info, bound, sealed):
    """Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message."""
    def extract(suite, salt, label, text):
        return mac(salt, b"HPKE-v1" + suite + label + text)

    def expand(suite, key, label, text, size):
        return mac(key, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + text + b"\1")[:size]
    sender, text = sealed[:32], sealed[32:]
    shared, own = exchange(private, sender)
    suite = b"KEM\0\x20"
    secret = expand(suite, extract(suite, b"", b"eae_prk", shared), b"shared_secret", sender + own, 32)
    suite = b"HPKE\0\x20\0\1\0\2"
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, secret, b"secret", b"")
    nonce = int.from_bytes(expand(suite, secret, b"base_nonce", context, 12), "little")
    return unseal(expand(suite, secret, b"key", context, 32), nonce, bound, text)


class Unsealed:
    """A store in which the snapshots of one key are read as if they were not sealed."""

    def __init__(self, store, path):
        with open(path, "rb") as file:
            fields = parse_document(file.read(), "bk-unseal", once=("name", "private", "identity"))
        self.store, self.sealed = store, {}
        self.private, self.identity = bytes.fromhex(fields["private"].decode()), bytes.fromhex(fields["identity"].decode())
        _, public = exchange(self.private, bytes([9]) + bytes(31))
        self.name = mac(self.identity, b"backline seal name" + public).hex()[:32]
        require(fields["name"].decode() == self.name, "the name is not that of the key")

    def read(self, kind, name):
        if name not in self.sealed:
            return self.store.read(kind, name)
        sealed = Bytes(self.store.read(kind, self.sealed[name]))
        refs = []
        if kind != b"D":
            require(sealed.fixed(1) == 2, "a node that is not sealed")
            sealed.fixed(1)
            refs = [sealed.raw(32) for _ in range(sum([sealed.varint() for _ in range(3)]))]
        front, nonce = sealed.data[:sealed.at], sealed.raw(16)
        own = mac(self.identity, b"seal" + name)
        text = Bytes(unseal(mac(own, b"key" + nonce), 0, front, sealed.data[sealed.at:]))
        codec, size, packed = text.fixed(1), text.varint(4 << 20), text.text()
        require(codec <= 1, "an unknown codec")
        require(not any(text.data[text.at:]), "filled up with something else than zeros")
        content = unzstd(packed, size) if codec else packed
        require(len(content) == size and hashlib.sha256(kind + content).digest() == name, "a sealed object of another content")
        if kind != b"D":
            node = bk_tree.Node(content)
            inside = [one for part in "TLD" for one in node.refs[part]]
            require(len(inside) == len(refs) and content[1:2] == front[1:2], "other references outside than inside")
            self.sealed.update(zip(inside, refs))
        return content

    def root(self, record):
        """The entry of the root."""
        source = b"\0".join(record[key] for key in ("client", "module", "method", "name"))
        page = hpke_open(self.private, b"backline sealed root", source, bytes.fromhex(record["sealed-root"].decode()))
        self.sealed[page] = bytes.fromhex(record["root-node"].decode())
        entries = list(bk_tree.entries(self, page))
        require(len(entries) == 1 and entries[0].name == b"root", "what is sealed is no root")
        return entries[0]
