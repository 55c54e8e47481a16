# SPDX-License-Identifier: Apache-2.0
"""What a reader of any such format needs and the libraries do not have: nothing in here knows Salvor's."""
import hashlib
import hmac
import struct
from contextlib import contextmanager

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Damage(Exception):
    """One sentence that names the object."""


@contextmanager
def reading(name):
    """Whatever is wrong in here is damage of that object."""
    try:
        yield
    except (ValueError, OSError, InvalidTag, InvalidSignature, zstandard.ZstdError) as error:
        raise Damage(f"{name} is damaged: {str(error) or 'it is not authentic'}") from None


def check(holds, what):
    if not holds:
        raise ValueError(what)


class Cursor:
    """Takes bytes from the front, never more than there are; in the end none may be left."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        check(failed or self.at == len(self.data), "there are bytes behind its end")

    def take(self, n):
        check(0 <= n <= len(self.data) - self.at, "it ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def unpack(self, layout):
        """Little-endian values, as the module struct describes them."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def each(self, layout, n):
        return [self.unpack(layout) for _ in range(n)]

    def expect(self, layout, *values):
        check(self.unpack(layout) == values, f"what ends at byte {self.at} is not what must be there")

    def number(self, layout, least, most):
        (number,) = self.unpack(layout)
        check(least <= number <= most, f"{number}, which ends at byte {self.at}, is not from {least} to {most}")
        return number

    def text(self, least, most):
        text = self.take(self.number("H", least, most)).decode()
        check("\0" not in text, "there is a NUL in a text")
        return text


def read(path, limit):
    check(path.is_file() and not path.is_symlink(), "it is missing, or no file")
    check(path.stat().st_size <= limit, f"it has more than {limit} bytes")
    return path.read_bytes()


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def hkdf(secret, salt, info):
    """RFC 5869; its first block is 32 bytes, and more is not asked for."""
    return mac(mac(salt, secret), info + b"\1")


def public_of(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_public(seed):
    return public_of(Ed25519PrivateKey.from_private_bytes(seed))


def seal_public(private):
    return public_of(X25519PrivateKey.from_private_bytes(private))


def verify(public, signature, message):
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def open_gcm(key, nonce, sealed, aad):
    return AESGCM(key).decrypt(nonce, sealed, aad)


def open_hpke(private, sealed, info, aad):
    """RFC 9180, mode base, the first message of its context. All that is derived fits into one block."""
    kem, hpke, enc = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02", sealed[:32]

    def extract(suite, salt, label, secret):
        return mac(salt, b"HPKE-v1" + suite + label + secret)

    def expand(suite, key, label, context, n):
        return mac(key, bytes([0, n]) + b"HPKE-v1" + suite + label + context + b"\1")[:n]

    dh = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(enc))
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + seal_public(private), 32)
    context = b"\0" + extract(hpke, b"", b"psk_id_hash", b"") + extract(hpke, b"", b"info_hash", info)
    secret = extract(hpke, shared, b"secret", b"")
    key, nonce = expand(hpke, secret, b"key", context, 32), expand(hpke, secret, b"base_nonce", context, 12)
    return open_gcm(key, nonce, sealed[32:], aad)


def decompress(frame, size):
    says, decoder = zstandard.get_frame_parameters(frame), zstandard.ZstdDecompressor().decompressobj()
    check((says.content_size, says.has_checksum, says.dict_id) == (size, False, 0), "a zstd frame has another head")
    data = decoder.decompress(frame)
    check(decoder.eof and not decoder.unused_data and len(data) == size, "a zstd frame ends elsewhere")
    return data
