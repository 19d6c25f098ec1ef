"""Keys, AES-256-GCM and covered objects, as the section Encryption of docs/formats/store.md describes them.

The standard library has no AES: the primitive itself is taken from libcrypto.
"""
import ctypes
import ctypes.util
import hashlib
import hmac

from bk_format import parse_document, require


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def unseal(key, nonce, bound, sealed):
    lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
    lib.EVP_CIPHER_CTX_new.restype = lib.EVP_aes_256_gcm.restype = ctypes.c_void_p
    context, length = ctypes.c_void_p(lib.EVP_CIPHER_CTX_new()), ctypes.c_int()
    plain, tag = ctypes.create_string_buffer(max(1, len(sealed) - 16)), sealed[-16:]
    try:
        good = len(sealed) >= 16
        good = good and lib.EVP_DecryptInit_ex(context, ctypes.c_void_p(lib.EVP_aes_256_gcm()), None, key, nonce.to_bytes(12, "little")) == 1
        good = good and lib.EVP_DecryptUpdate(context, None, ctypes.byref(length), bound, len(bound)) == 1
        good = good and lib.EVP_DecryptUpdate(context, plain, ctypes.byref(length), sealed, len(sealed) - 16) == 1
        good = good and lib.EVP_CIPHER_CTX_ctrl(context, 0x11, 16, tag) == 1
        good = good and lib.EVP_DecryptFinal_ex(context, ctypes.create_string_buffer(16), ctypes.byref(length)) == 1
    finally:
        lib.EVP_CIPHER_CTX_free(context)
    require(good, "the key does not open it")
    return plain.raw[:len(sealed) - 16]


class Keys:
    """The keys of one store."""

    def __init__(self, path, store):
        with open(path, "rb") as file:
            fields = parse_document(file.read(), "bk-key", once=("name", "key"))
        key = bytes.fromhex(fields["key"].decode())
        self.name, self.store = mac(key, b"backline key name")[:16], store
        require(fields["name"].decode() == self.name.hex(), "the name is not that of the key")
        self.identity, self.data = mac(key, b"backline identity" + store), mac(key, b"backline data" + store)

    def source_key(self, source):
        return mac(self.identity, b"source" + source).hex()[:32]

    def record(self, nonce, pack):
        return mac(self.data, b"record" + pack.to_bytes(8, "little") + nonce)

    def uncover(self, name, data):
        require(data[:8] == b"BKCOVER1" and data[8:12] == self.name[:4] and data[12:16] == bytes(4), "not covered by this key")
        return unseal(mac(self.data, b"object" + data[16:32]), 0, data[:32] + self.store + name.encode(), data[32:])
