# SPDX-License-Identifier: Apache-2.0
"""Format 1 of the Salvor repository, written from docs/format.md alone; the numbers are its sections.

It shares no line with the command, and believes nothing that it has not authenticated. It remembers nothing, so it cannot
know whether the whole folder was put back to an old state.
"""
import functools
import hashlib
import hmac
import re
import struct
import sys
from collections import namedtuple
from contextlib import contextmanager

from primitives import (Cursor, Damage, check, decompress, hkdf, mac, open_gcm, open_hpke, read, reading, seal_public, sha256,
                        sign_public, verify)

MIB, FAN, ZERO, NEVER = 1 << 20, 128, bytes(32), 2**64 - 1
ADMIN, WRITE, COLLECT = 1, 2, 8  # roles
EPOCH, METADATA = 1, 2  # what a grant holds
POINT, FENCE = 1, 4  # kinds of commits
RAM = 2  # a kind of streams
Member = namedtuple("Member", "id8 sign seal roles name revoked_from")
Pack = namedtuple("Pack", "name data keys entries")
Stream = namedtuple("Stream", "number name kind c depth size root top")
Point = namedtuple("Point", "id session workload16 workload cut_ns r streams places lists packs")


# ---- 1. Objects: their names, and what several of them have

def names(folder, kind, pattern):
    found = sorted(path.name for path in folder.joinpath(kind).glob("*") if not path.name.startswith((".", "tmp")))
    with reading(kind):
        check(all(re.fullmatch(pattern, name) for name in found), "something in it has no object's name")
    return found


def read_pack_set(body):
    """{session: its packs, as the bits of a number}"""
    bitmaps = [(body.take(16), body.take(body.number("I", 1, 1 << 21))) for _ in range(*body.unpack("I"))]
    check(sorted(dict(bitmaps).items()) == bitmaps and all(bits[-1] for _, bits in bitmaps), "a pack set cannot be")
    return {session: int.from_bytes(bits, "little") for session, bits in bitmaps}


def may_collect(signer):
    return signer.roles & COLLECT and signer.revoked_from == NEVER


# ---- 3. Keys: the material, which a person holds

def material_of_key_file(path):
    with reading(path):
        lines = [line.removesuffix(b"\r") for line in read(path, MIB).split(b"\n")]
        line = b"\n".join(line for line in lines if line and not line.startswith(b"#")).decode()
        match = re.fullmatch("SALVOR-KEY-1 ([0-9a-f]{128}) ([0-9a-f]{8})", line)
        check(match and sha256(bytes.fromhex(match[1])).hex()[:8] == match[2], "it is no key file")
        return bytes.fromhex(match[1])


def material_of_passphrase(folder, path):
    passphrase = re.sub(rb"\r?\n\Z", b"", path.read_bytes())
    for name in names(folder, "s", "[a-z0-9-]{1,32}"):
        with reading(f"s/{name}"), Cursor(read(folder / "s" / name, 256)) as slot:
            slot.expect("8sHH", b"SLVRSLOT", 1, 0)
            salt, n, r, p, masked, tag = slot.unpack("32sQII64s32s")
            slot.expect("32s", sha256(slot.data[:slot.at]))
            check(n > 1 and n & n - 1 == 0 and 0 < n * r * 128 <= 1024 * MIB and 0 < p <= 64, "its scrypt is too costly")
            k = hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=2**31 - 1, dklen=96)
            if hmac.compare_digest(mac(k[64:], slot.data[:-64]), tag):
                return bytes(a ^ b for a, b in zip(masked, k))
    sys.exit("no slot opens with this passphrase")


class Repository:
    def __init__(self, folder, material):
        self.folder, self.pack, self.lists = folder, functools.lru_cache(8)(self.open_pack), functools.cache(self.read_lists)
        self.read_config()
        self.read_keyrings(material[:32], material[32:])
        self.read_checkpoint()

    @contextmanager
    def signed(self, name, limit, members, may_sign):
        """A cursor over the body of an object, which must turn out to be signed by a member who may."""
        with reading(name), Cursor((data := read(self.folder / name, limit))[:-72]) as body:
            body.sha256 = sha256(data)
            yield body
            signer, size = members.get(data[-72:-64]), struct.pack("<H", len(name))
            check(signer and may_sign(signer), "nobody who may has signed it")
            verify(signer.sign, data[-64:], b"salvor object 1" + self.domain + size + name.encode() + data[:-64])

    # ---- 2. config

    def read_config(self):
        with reading("config"), Cursor(read(self.folder / "config", MIB)) as config:
            magic, version, min_reader, min_writer, create_once = config.unpack("8sHHHH")
            if magic == b"SLVRCONF" and min_reader > 1:
                sys.exit(f"config asks for a reader of format {min_reader}; this one reads format 1")
            check(magic == b"SLVRCONF" and version and min_reader and min_writer and not create_once, "it is no config")
            self.domain, _, *algorithms, _, _, zero, _ = config.unpack("16s16s4BIIIQ")
            check(algorithms == [1, 1, 1, 1] and zero == 0, "it asks for what this reader does not know")
            config.expect("32s", sha256(config.data[:72]))
            self.config_hash = sha256(config.data)

    # ---- 3. Keys: the keyrings

    def read_keyrings(self, secret, first_hash):
        """Ends with the newest one's members {id8: Member}, and with what it grants to this key, {(kind, number): secret}."""
        sign, self.seal = hkdf(secret, b"", b"salvor sign"), hkdf(secret, b"", b"salvor seal")
        self.id8, self.keyring_hash = sha256(sign_public(sign) + seal_public(self.seal))[:8], ZERO
        self.members, self.publics = {}, {}
        for n in range(max(1, len(names(self.folder, "k", "[0-9a-f]{8}")))):
            self.read_keyring(n)
            if n == 0 and self.keyring_hash != first_hash:
                raise Damage("k/00000000 is damaged: it is not the one that the key was made for")
        if (METADATA, 1) not in self.secrets:
            sys.exit("the newest keyring grants nothing to this key")

    def read_keyring(self, n):
        members, publics, self.secrets, found = {}, {}, {}, set()
        admin = lambda signer: signer.roles & ADMIN and signer.revoked_from == NEVER
        with self.signed(f"k/{n:08x}", 16 * MIB, self.members or members, admin) as body:
            body.expect("8sHHI32s32s", b"SLVRKEYS", 1, 0, n, self.config_hash, self.keyring_hash)
            body.unpack("Q")
            for _ in range(body.number("H", 1, 4096)):
                sign, seal, roles, zero, revoked_from, name = *body.unpack("32s32sHHQ"), body.text(1, 64)
                id8, was = sha256(sign + seal)[:8], self.members.get(sha256(sign + seal)[:8])
                check(roles < 32 and not zero and not {id8, name} & found, "a member cannot be")
                check(not was or was.revoked_from in (NEVER, revoked_from), "a revocation is taken back")
                members[id8] = Member(id8, sign, seal, roles, name, revoked_from)
                found.update((id8, name))
                check(not was or was[:-1] == members[id8][:-1], "a member is another than it was")
            for kind in EPOCH, METADATA:
                for number in range(1, 1 + body.number("H", 1, 1024)):
                    body.expect("I", number)
                    publics[kind, number] = body.take(32 if kind == EPOCH else 0)
                    grants = body.each("8s80s", body.number("H", 0, 4096))
                    check(len(dict(grants)) == len(grants) and dict(grants).keys() <= members.keys(), "a grant cannot be")
                    if self.id8 in dict(grants):
                        info = b"salvor grant 1" + self.domain + struct.pack("<BI", kind, number)
                        secret = self.secrets[kind, number] = open_hpke(self.seal, dict(grants)[self.id8], info, self.id8)
                        check(kind != EPOCH or seal_public(secret) == publics[kind, number], "a grant holds another key")
            check(self.members.keys() <= members.keys(), "a member is gone")
            check(self.publics.items() <= publics.items(), "a key is gone, or another")
        self.members, self.publics, self.keyring_hash = members, publics, body.sha256

    def derived(self, r, use, salt=b""):
        check((METADATA, r) in self.secrets, f"this key does not hold metadata key {r}")
        return hkdf(self.secrets[METADATA, r], self.domain + salt, b"salvor " + use)

    # ---- 4. Chunks and packs

    def read_lists(self, session):
        """What its writer says of a session's packs, {seq: (class, size, sha256)}, and the digests of the lists."""
        packs, digests, folder = {}, [], f"l/{session.hex()}"
        for k in range(len(names(self.folder, folder, "[0-9a-f]{4}"))):
            writer = lambda signer: signer.id8 == session[:8] and signer.roles & WRITE
            with self.signed(f"{folder}/{k:04x}", 4 * MIB, self.members, writer) as body:
                body.expect("8sHH16sI", b"SLVRLIST", 1, 0, session, k)
                for cls, zero, seq, *says in body.each("c3sIQ32s", body.number("I", 0, 65536)):
                    check(cls in b"pm" and zero == bytes(3) and 0 < seq < 1 << 24 and seq not in packs, "a pack cannot be")
                    packs[seq] = cls, *says
            digests.append((body.sha256,))
        return packs, digests

    def open_pack(self, cls, session, seq, r):
        name, here = f"{cls.decode()}/{session.hex()}/{seq:08x}", session + struct.pack("<I", seq)
        listed = self.lists(session)[0].get(seq)
        with reading(name), Cursor(data := read(self.folder / name, 64 * MIB)) as pack:
            check(listed == (cls, len(data), sha256(data)), "its writer has not listed it so")
            pack.expect("8sHcBI16s20s12s", b"SLVRPCK1", 1, cls, 0, r, self.domain, here, bytes(12))
            salt, nonce, size, slots, zero, count, magic = Cursor(data[-64:]).unpack("32s12sIHHI8s")
            check(magic == b"SLVREND1" and not zero and count < 65536, "its tail cannot be")
            check(0 < slots < 256 if cls == b"p" else slots == 0, f"it has {slots} keyslots")
            pack.take(len(data) - 128 - size - 112 * slots)
            bodies, keyslots, footer, tail = pack.at, pack.take(112 * slots), pack.take(size), pack.take(64)
            key, data_key = (hkdf(self.derived(r, b"meta"), salt, use + here) for use in (b"salvor footer", b"salvor meta pack"))
            keys = [self.open_keyslot(*slot) for slot in struct.iter_unpack("<20sIB7s80s", keyslots)] or [data_key]
            with Cursor(open_gcm(key, nonce, footer, data[:64] + keyslots + salt + bytes(12) + tail[44:])) as footer:
                entries = footer.each("32sIIIBBH", count)
            for id, offset, clen, plen, codec, slot, zero in entries:
                check(id != ZERO and 64 <= offset <= bodies - clen and slot < len(keys) and not zero, "an entry cannot be")
                check(codec < 2 and 16 < clen <= 16 + plen <= 16 + MIB and (codec or clen == 16 + plen), "an entry cannot be")
            return Pack(name, data, keys, entries)

    def open_keyslot(self, origin, epoch, kem, zero, sealed):
        check(kem == 1 and zero == bytes(7), "a keyslot cannot be")
        if (EPOCH, epoch) not in self.secrets:
            sys.exit("this key may not read contents")
        return open_hpke(self.secrets[EPOCH, epoch], sealed, b"salvor dek 1" + self.domain + struct.pack("<I", epoch), origin)

    def fetch(self, point, cls, id, session, seq, index):
        """What an entry holds, which is still to be compared with its id."""
        pack = self.pack(cls, session, seq, point.r)
        with reading(pack.name):
            check(point.packs.get(session, 0) >> seq & 1, "the point does not name it")
            check(index < len(pack.entries) and pack.entries[index][0] == id, "it has not what the tree says")
            _, offset, clen, plen, codec, slot, _ = pack.entries[index]
            key = mac(pack.keys[slot], b"salvor chunk" + id + struct.pack("<BI", codec, clen))
            aad = self.domain + id + struct.pack("<IB", plen, codec)
            stored = open_gcm(key, bytes(12), pack.data[offset:offset + clen], aad)
            return decompress(stored, plen) if codec else stored

    # ---- 5. Tree

    def chunks(self, point, level, first, end, id, *place):
        """Number, id and place of each chunk from first to end that is not a hole."""
        data, span = self.fetch(point, b"m", id, *place), FAN**level
        with reading(f"a tree node of point {point.id.hex()}"), Cursor(data) as node:
            node.expect("B", level)
            ids = [id for (id,) in node.each("32s", node.number("H", 1, min(FAN, -(-(end - first) // span))))]
            check(mac(self.derived(point.r, b"id"), b"\1" + data[:node.at]) == id and ids[-1] != ZERO, "it has another id")
            packs, places = node.each("16sI", node.number("B", 0, FAN)), node.each("BH", len(ids))
            check(all((id == ZERO) == (place == (255, 65535)) for id, place in zip(ids, places)), "a hole has a place")
            used = dict.fromkeys(pack for pack, _ in places if pack != 255)
            check(list(used) == list(range(len(packs))), "its packs are not in the order of their use")
        for at, id, (pack, entry) in zip(range(first, end, span), ids, places):
            if id != ZERO and level:
                yield from self.chunks(point, level - 1, at, min(end, at + span), id, *packs[pack], entry)
            elif id != ZERO:
                yield at, id, *packs[pack], entry

    def restore(self, point, stream, place, path):
        size, c, use = stream.size, stream.c, (b"ram", point.workload16) if stream.kind == RAM else (b"id",)
        tree = self.chunks(point, stream.depth - 1, 0, -(-size >> c), stream.top, *place)
        with path.open("xb") as file:
            file.truncate(size)
            for i, id, *where in tree if stream.top != ZERO else ():
                data = self.fetch(point, b"p", id, *where)
                with reading(f"chunk {i} of stream {stream.name}"):
                    check(mac(self.derived(point.r, *use), b"\0" + data) == id and any(data), "it has another id")
                    check(len(data) == min(1 << c, size - (i << c)), "it has another length")
                file.seek(i << c)
                file.write(data)

    # ---- 6. Commit

    def read_point(self, session):
        """The point of a session; None if it made none, or one that does not exist any more."""
        writer, number = self.members.get(session[:8]), int.from_bytes(session[8:], "big")
        low, live = self.checkpoint.get(session[:8], (0, {}))
        if (writer and number >= writer.revoked_from) or (number <= low and number not in live):
            return None
        decider = lambda signer: may_collect(signer) if kind == FENCE else signer == writer and writer.roles & WRITE
        with self.signed(f"c/{session.hex()}", 16 * MIB, self.members, decider) as body:
            magic, version, kind, zero, r, *of = body.unpack("8sHBBI16s16s")
            check((magic, version, zero) == (b"SLVRCMT1", 1, 0) and 0 < kind < 5, "it is no commit")
            check(of == [self.domain, session], "it is another session's")
            key, nonce = hkdf(self.derived(r, b"meta"), session, b"salvor commit"), body.take(12)
            inner = open_gcm(key, nonce, body.take(len(body.data) - 60), body.data[:48])
            # Fences and other commits have nothing for a reader, once it is known that they are what they say.
            point = self.open_inner(inner, session, writer, r) if kind == POINT and writer else None
            check(number > low or live[number] == (point.id if point else ZERO), "the checkpoint lists another point")
        return point

    def open_inner(self, inner, session, writer, r):
        with Cursor(inner) as inner, Cursor(inner.take(inner.number("I", 0, 16 * MIB))) as body:
            verify(writer.sign, inner.take(64), b"salvor statement 1" + self.domain + body.data)
            _version, _consistency, _mode = body.number("H", 1, 1), body.number("B", 1, 3), body.number("B", 1, 2)
            body.expect("16s", session)
            workload16, workload, (cut_ns,) = body.take(16), body.text(1, 128), body.unpack("Q")
            _engine, _fallback_reason = body.text(1, 15), body.text(0, 31)
            _parent_previous_keyring_checkpoint = body.unpack("32sQ32sI32sQ32s")
            streams = [self.read_stream(body, r) for _ in range(body.number("H", 1, 256))]
            check(len({stream.number for stream in streams}) == len(streams), "two streams have one number")
            check(len({stream.name for stream in streams}) == len(streams), "two streams have one name")
            places, lists = inner.each("16sIH", len(streams)), inner.each("32s", *inner.unpack("H"))
            packs = read_pack_set(inner)
            return Point(sha256(body.data), session, workload16, workload, cut_ns, r, streams, places, lists, packs)

    def read_stream(self, body, r):
        number, kind, c, depth, zero, name = *body.unpack("HBBBB"), body.text(1, 64)
        size, root, top = body.unpack("Q32s32s")
        check(0 < kind < 6 and 12 <= c <= 20 and not zero and size < 1 << 63, "a stream cannot be")
        check(FAN**depth << c >= size and (depth == 1 or FAN**(depth - 1) << c < size), "a stream has another depth")
        shape = struct.pack("<QBB", size, c, depth)
        check(mac(self.derived(r, b"id"), b"\2" + shape + top) == root, "a stream has another root")
        return Stream(number, name, kind, c, depth, size, root, top)

    # ---- 7. Writing beside collecting: the newest checkpoint

    def read_checkpoint(self):
        self.checkpoint, before = {}, None  # {writer: (low mark, {number that is live: point id})}
        for name in names(self.folder, "g", r"[0-9a-f]{16}\.(plan|final)"):
            if name.endswith("plan"):
                continue
            with self.signed(f"g/{name}", 64 * MIB, self.members, may_collect) as body:
                body.expect("8sHHQ", b"SLVRFINL", 1, 0, int(name[:16], 16))
                _, previous, _ = body.take(32), body.take(32), read_pack_set(body)
                check(before in (None, previous), "it does not follow the one before")
                marks = [(*body.unpack("8sQ"), dict(body.each("Q32s", *body.unpack("I")))) for _ in range(*body.unpack("I"))]
            self.checkpoint, before = {id8: (low, live) for id8, low, live in marks}, body.sha256
