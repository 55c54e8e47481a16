#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists the points of a repository, or makes each stream of one a file. Damage ends in one sentence and exit status 4.

Written from docs/format.md alone, whose sections the numbers in here are; it shares no line with the command. It believes nothing
that it has not authenticated. It remembers nothing, so it cannot know whether the whole folder is of an older day.
"""
import argparse
import functools
import hashlib
import hmac
import io
import re
import struct
import sys
import time
from collections import namedtuple
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DAMAGE = (ValueError, LookupError, struct.error, InvalidTag, InvalidSignature, zstandard.ZstdError)  # how it shows
FAN_OUT, ZERO, NOT_REVOKED = 128, bytes(32), 2**64 - 1
ADMIN, WRITE, COLLECT = 1, 2, 8  # roles
EPOCH, METADATA = 1, 2  # kinds of grants
POINT, FENCE, RAM = 1, 4, 2  # kinds of commits, and one of streams
Member = namedtuple("Member", "sign roles revoked_from")
Stream = namedtuple("Stream", "name kind c depth size top")
Point = namedtuple("Point", "id workload16 workload cut_ns r streams places lists packs")
mac = functools.partial(hmac.digest, digest="sha256")


def check(holds, what):
    if not holds:
        raise ValueError(what)


class Cursor(io.BytesIO):  # little-endian values; the module struct says how layouts are written
    def unpack(self, layout):
        return struct.unpack("<" + layout, self.read(struct.calcsize("<" + layout)))

    def counted(self, count, layout):
        return [self.unpack(layout) for _ in range(*self.unpack(count))]

    def sized(self, size):
        return self.unpack("%ds" % self.unpack(size))[0]


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(secret, salt, info):  # RFC 5869, of which one block is enough
    return mac(mac(salt, secret), info + b"\1")


def public_of(kind, private):
    return kind.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def open_hpke(private, sealed, info, aad):  # RFC 9180, mode base, the first message; one block is enough here, too
    kem, hpke, enc = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02", sealed[:32]

    def extract(suite, salt, label, secret):
        return mac(salt, b"HPKE-v1" + suite + label + secret)

    def expand(suite, key, label, context, n):
        return mac(key, bytes([0, n]) + b"HPKE-v1" + suite + label + context + b"\1")[:n]

    dh = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(enc))
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + public_of(X25519PrivateKey, private), 32)
    context = b"\0" + extract(hpke, b"", b"psk_id_hash", b"") + extract(hpke, b"", b"info_hash", info)
    secret = extract(hpke, shared, b"secret", b"")
    key, nonce = expand(hpke, secret, b"key", context, 32), expand(hpke, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed[32:], aad)


class Repository:
    def __init__(self, folder):
        self.folder, self.reading = folder, "the repository"  # what is found wrong is damage of what is being read

    def names(self, kind):  # 1. Objects and their names
        return sorted(path.name for path in self.folder.glob(f"{kind}/*") if not path.name.startswith((".", "tmp")))

    def read(self, name):
        self.reading, path = name, self.folder / name
        check(path.is_file() and path.stat().st_size <= 64 << 20, "it is missing, or no file, or too large")
        return path.read_bytes()

    def check_signed(self, data, role, writer=None):  # 1. Signed objects; writers sign what is of their sessions
        id8, signer = data[-72:-64], self.members.get(data[-72:-64])
        may = signer and signer.roles & role and (id8 == writer if role == WRITE else signer.revoked_from == NOT_REVOKED)
        check(may, "nobody who may has signed it")
        name = struct.pack("<H", len(self.reading)) + self.reading.encode()
        Ed25519PublicKey.from_public_bytes(signer.sign).verify(data[-64:], b"salvor object 1" + self.domain + name + data[:-64])

    def read_config(self):  # 2. config
        data = self.read("config")
        magic, min_reader, self.domain, algorithms, digest = struct.unpack("<8s2xH4x16s16x4s20x32s", data)
        if magic == b"SLVRCONF" and min_reader > 1:
            sys.exit(f"config asks for a reader of format {min_reader}; this one reads format 1")
        check((magic, algorithms, digest) == (b"SLVRCONF", b"\1\1\1\1", sha256(data[:72])), "it is no config")
        self.config_hash = sha256(data)

    def material_of_key_file(self, path):  # 3. Key material
        self.reading = path
        match = re.search("^SALVOR-KEY-1 ([0-9a-f]{128}) ([0-9a-f]{8})$", path.read_text("utf-8"), re.MULTILINE)
        check(match and sha256(bytes.fromhex(match[1])).hex()[:8] == match[2], "it is no key file")
        return bytes.fromhex(match[1])

    def material_of_passphrase(self, path):  # 3. Passphrase slot
        passphrase = re.sub(rb"\r?\n\Z", b"", path.read_bytes())
        for name in self.names("s"):
            data = self.read(f"s/{name}")
            magic, version, salt, n, r, p, masked, tag, digest = struct.unpack("<8sH2x32sQII64s32s32s", data)
            check((magic, version, digest) == (b"SLVRSLOT", 1, sha256(data[:-32])), "it is no slot")
            check(n * r * 128 <= 1 << 30 and p <= 64, "its scrypt is too costly")
            k = hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=2**31 - 1, dklen=96)
            if mac(k[64:], data[:-64]) == tag:
                return bytes(a ^ b for a, b in zip(masked, k))
        sys.exit("no slot opens with this passphrase")

    def read_keyrings(self, secret, hash_of_first):  # 3. Keyring: from the one that the key was made for to the newest
        sign, self.seal, previous = hkdf(secret, b"", b"salvor sign"), hkdf(secret, b"", b"salvor seal"), ZERO
        self.id8 = sha256(public_of(Ed25519PrivateKey, sign) + public_of(X25519PrivateKey, self.seal))[:8]
        for n in range(max(1, len(self.names("k")))):
            data = self.read(f"k/{n:08x}")
            if n == 0:
                check(sha256(data) == hash_of_first, "it is not the one that the key was made for")
            else:
                self.check_signed(data, ADMIN)
            head = struct.pack("<8sHHI32s32s", b"SLVRKEYS", 1, 0, n, self.config_hash, previous)
            check(data.startswith(head), "it does not follow the one before, or config")
            self.read_keyring(Cursor(data[len(head) + 8:-72]))
            previous = sha256(data)

    def read_keyring(self, body):  # 3. Keyring: {id8: Member}, and what it grants us {(kind, number): secret}
        self.members, self.secrets = {}, {}
        for _ in range(*body.unpack("H")):
            public, roles, revoked_from, _name = *body.unpack("64sH2xQ"), body.sized("H")
            self.members[sha256(public)[:8]] = Member(public[:32], roles, revoked_from)
        for kind, layout in (EPOCH, "I32x"), (METADATA, "I"):
            for _ in range(*body.unpack("H")):
                (number,), grants = body.unpack(layout), dict(body.counted("H", "8s80s"))
                if self.id8 in grants:
                    info = b"salvor grant 1" + self.domain + struct.pack("<BI", kind, number)
                    self.secrets[kind, number] = open_hpke(self.seal, grants[self.id8], info, self.id8)

    def metadata_key(self, r, use, salt=b""):  # 3. Metadata keys
        secret = self.secrets.get((METADATA, r)) or sys.exit("this key may not read this repository any more, or not yet")
        return hkdf(secret, self.domain + salt, b"salvor " + use)

    @functools.cache
    def lists(self, session):  # 4. List: {(class, seq, size, sha256)} of the packs, and the hashes of the lists
        packs, hashes = set(), []
        for k in range(len(self.names(f"l/{session.hex()}"))):
            data = self.read(f"l/{session.hex()}/{k:04x}")
            self.check_signed(data, WRITE, session[:8])
            body = Cursor(data[:-72])
            check(body.unpack("8sH2x16sI") == (b"SLVRLIST", 1, session, k), "it is another list")
            packs.update(body.counted("I", "c3xIQ32s"))
            hashes.append((sha256(data),))
        return packs, hashes

    @functools.lru_cache(8)
    def pack(self, cls, session, seq, r):  # 4. Pack: the keys of its keyslots, and its entries
        listed, here = self.lists(session)[0], session + struct.pack("<I", seq)
        data = self.read(f"{cls.decode()}/{session.hex()}/{seq:08x}")
        check((cls, seq, len(data), sha256(data)) in listed, "its writer has not listed it so")
        head = struct.pack("<8sHcBI16s20s12x", b"SLVRPCK1", 1, cls, 0, r, self.domain, here)
        salt, nonce, footer_size, slots, magic = struct.unpack("<32s12sIH6x8s", data[-64:])
        check(data.startswith(head) and magic == b"SLVREND1", "it is another pack")
        footer_at = len(data) - 64 - footer_size
        keyslots, footer = data[footer_at - 112 * slots:footer_at], data[footer_at:-64]
        meta, aad = self.metadata_key(r, b"meta"), head + keyslots + salt + bytes(12) + data[-20:]
        footer = AESGCM(hkdf(meta, salt, b"salvor footer" + here)).decrypt(nonce, footer, aad)
        keys = [hkdf(meta, salt, b"salvor meta pack" + here)] if cls == b"m" else []
        for origin, epoch, sealed in struct.iter_unpack("<20sI8x80s", keyslots):
            secret = self.secrets.get((EPOCH, epoch)) or sys.exit("this key may not read contents")
            keys.append(open_hpke(secret, sealed, b"salvor dek 1" + self.domain + struct.pack("<I", epoch), origin))
        return self.reading, data, keys, list(struct.iter_unpack("<32sIIIBB2x", footer))

    def fetch(self, point, cls, id, session, seq, entry):  # 4. Sealing; whoever calls, computes the id again
        self.reading, pack, keys, entries = self.pack(cls, session, seq, point.r)
        check(point.packs.get(session, 0) >> seq & 1, "the point does not name it")
        found, offset, clen, plen, codec, slot = entries[entry]
        check(found == id and codec <= 1 and plen <= 1 << 20, "it has not what the tree says")
        key = mac(keys[slot], b"salvor chunk" + id + struct.pack("<BI", codec, clen))
        stored = AESGCM(key).decrypt(bytes(12), pack[offset:offset + clen], self.domain + id + struct.pack("<IB", plen, codec))
        if codec == 0:
            return stored
        check(zstandard.get_frame_parameters(stored).content_size == plen, "a chunk has another size")
        return zstandard.ZstdDecompressor().decompress(stored)

    def chunks(self, point, level, first, end, id, *place):  # 5. Tree: number, id and place of what is no hole
        node, span = Cursor(self.fetch(point, b"m", id, *place)), FAN_OUT**level
        (node_level,), ids = node.unpack("B"), node.counted("H", "32s")
        check(mac(self.metadata_key(point.r, b"id"), b"\1" + node.getvalue()[:node.tell()]) == id, "a tree node has another id")
        check(node_level == level and len(ids) <= min(FAN_OUT, -(-(end - first) // span)), "a tree node is at another place")
        packs, places = node.counted("B", "16sI"), [node.unpack("BH") for _ in ids]
        for at, (id,), (pack, entry) in zip(range(first, end, span), ids, places):
            if id != ZERO:
                child = id, *packs[pack], entry
                yield from self.chunks(point, level - 1, at, min(end, at + span), *child) if level else [(at, *child)]

    def read_point(self, name):  # 6. Commit: None if it is no point, or its writer was revoked before
        data, session = self.read(f"c/{name}"), bytes.fromhex(name)
        writer = self.members.get(session[:8])
        if writer and int.from_bytes(session[8:], "big") >= writer.revoked_from:
            return None
        kind, r = struct.unpack("<BxI", data[10:16])
        head = struct.pack("<8sHBBI16s16s", b"SLVRCMT1", 1, kind, 0, r, self.domain, session)
        check(data.startswith(head) and POINT <= kind <= FENCE, "it is no commit of this session")
        self.check_signed(data, COLLECT if kind == FENCE else WRITE, session[:8])
        if kind != POINT:
            return None
        key = hkdf(self.metadata_key(r, b"meta"), session, b"salvor commit")
        inner = Cursor(AESGCM(key).decrypt(data[48:60], data[60:-72], head))
        statement, (signature,) = inner.sized("I"), inner.unpack("64s")
        Ed25519PublicKey.from_public_bytes(writer.sign).verify(signature, b"salvor statement 1" + self.domain + statement)
        body = Cursor(statement)
        check(body.unpack("H2x16s") == (1, session), "its statement is of another session")
        workload16, workload, cut_ns = *body.unpack("16s"), body.sized("H").decode(), *body.unpack("Q")
        _engine, _fallback_reason, _seen = body.sized("H"), body.sized("H"), body.unpack("148s")
        streams = [self.read_stream(body, r) for _ in range(*body.unpack("H"))]
        check(len({stream.name for stream in streams}) == len(streams), "two streams have one name")
        places, lists = [inner.unpack("16sIH") for _ in streams], inner.counted("H", "32s")
        packs = {inner.read(16): int.from_bytes(inner.sized("I"), "little") for _ in range(*inner.unpack("I"))}
        return Point(sha256(statement), workload16, workload, cut_ns, r, streams, places, lists, packs)

    def read_stream(self, body, r):  # 5. Stream root
        (kind, c, depth), name = body.unpack("2xBBBx"), body.sized("H").decode()
        size, root, top = body.unpack("Q32s32s")
        check(12 <= c <= 20 and depth > 0 and size < 1 << 63 and FAN_OUT**depth << c >= size, f"stream {name} has another depth")
        shape = struct.pack("<QBB", size, c, depth)
        check(mac(self.metadata_key(r, b"id"), b"\2" + shape + top) == root, f"stream {name} has another root")
        return Stream(name, kind, c, depth, size, top)

    def list_points(self):
        for name in self.names("c"):
            if point := self.read_point(name):
                when = time.strftime("%FT%TZ", time.gmtime(point.cut_ns // 10**9))
                print(name, point.id.hex(), when, point.workload, *(stream.name for stream in point.streams))

    def restore_point(self, name, folder):
        point = self.read_point(name) or sys.exit("this session has made no point")
        check(self.lists(bytes.fromhex(name))[1] == point.lists, "the commit names other lists")
        for stream, place in zip(point.streams, point.places):
            check(re.fullmatch("[A-Za-z0-9_][A-Za-z0-9._-]*", stream.name), f"{stream.name!r} is no name of a file")
            part = folder / f".{stream.name}"  # no stream is named so
            with part.open("xb") as file:
                file.truncate(stream.size)
                self.restore_stream(point, stream, place, file)
            part.rename(folder / stream.name)

    def restore_stream(self, point, stream, place, file):  # 4. Chunks
        size, c = stream.size, stream.c
        id_key = self.metadata_key(point.r, *((b"ram", point.workload16) if stream.kind == RAM else (b"id",)))
        tree = self.chunks(point, stream.depth - 1, 0, -(-size >> c), stream.top, *place) if stream.top != ZERO else ()
        for i, id, *place in tree:
            data = self.fetch(point, b"p", id, *place)
            check(mac(id_key, b"\0" + data) == id, f"chunk {i} of stream {stream.name} has another id")
            check(len(data) == min(1 << c, size - (i << c)), f"chunk {i} of stream {stream.name} has another length")
            file.seek(i << c)
            file.write(data)


def main():
    parser = argparse.ArgumentParser(description="Lists the points of a repository, or restores the one of a session.")
    parser.add_argument("repository", type=Path)
    opener = parser.add_mutually_exclusive_group(required=True)
    opener.add_argument("--key", type=Path, help="a key file")
    opener.add_argument("--passphrase", type=Path, help="a file with the passphrase")
    parser.add_argument("--restore", nargs=2, metavar=("SESSION", "FOLDER"))
    args = parser.parse_args()
    repository = Repository(args.repository)
    try:
        repository.read_config()
        material = repository.material_of_key_file(args.key) if args.key else repository.material_of_passphrase(args.passphrase)
        repository.read_keyrings(material[:32], material[32:])
        if any(name.endswith(".final") for name in repository.names("g")):
            sys.exit("something was collected here (section 7 of the format), which this reader does not follow")
        if args.restore:
            repository.restore_point(args.restore[0], Path(args.restore[1]))
        else:
            repository.list_points()
    except DAMAGE as error:
        sys.stderr.write(f"{repository.reading} is damaged: {str(error) or 'it is not authentic'}\n")
        sys.exit(4)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
