#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs on a repository of small files: what they say, as text and as JSON."""
import glob
import hashlib
import json
import os
import pty
import re
import select
import struct
import subprocess
import unittest

from command import BIN, CommandTest

PASSPHRASE = "correct horse"


class Repository(CommandTest):
    def setUp(self):
        super().setUp()
        self.environment.update(SALVOR_REPO=self.path("repository"), SALVOR_PASSPHRASE=PASSPHRASE)
        self.made = self.succeed("init", "--recovery-key", "recovery.key")

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def backup(self, workload="web01", *options):
        if not os.path.exists(self.path("disk.raw")):
            self.write("disk.raw", os.urandom(300_000) + bytes(700_000))
        return self.succeed("backup", workload, "--disk", "disk.raw", *options)

    def test_init(self):
        self.assertEqual(self.made, {"repository": self.path("repository"), "owner": "owner", "recovery_key": "recovery.key"})
        self.assertEqual(os.stat(self.path("recovery.key")).st_mode & 0o777, 0o600)
        self.fail_with(1, "exists", "repository", "init", "--recovery-key", "second.key")
        self.assertFalse(os.path.exists(self.path("second.key")))
        self.fail_with(1, "not-found", "bakcup/here is not there.*last folder of bakcup/here/repository", "init", "--no-recovery-key",
                       "--repo", "bakcup/here/repository")
        self.assertFalse(os.path.exists(self.path("bakcup")))
        self.succeed("init", "--no-recovery-key", "--repo", "new/")

    def test_backup_points_show(self):
        first, second = self.backup(), self.backup()
        self.assertLessEqual({"point", "workload", "mode", "fallback_reason", "bytes_scanned", "bytes_changed", "bytes_stored", "seconds"},
                             set(first))
        self.assertEqual((first["mode"], first["fallback_reason"], second["fallback_reason"]), ("full", None, "untracked"))
        points = self.succeed("points", "web01")["points"]
        self.assertEqual([point["id"] for point in points], [second["point"], first["point"]])
        self.assertEqual(set(points[0]), {"id", "workload", "time", "engine", "consistency", "bytes", "scrubbed", "verified"})
        self.assertRegex(points[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(points[0]["bytes"], 1_000_000)
        shown = self.succeed("show", first["point"][:8])
        self.assertEqual(shown["id"], first["point"])
        self.assertEqual([(s["name"], s["kind"], s["size"]) for s in shown["streams"]], [("vda", "disk", 1_000_000)])
        self.assertRegex(shown["streams"][0]["root"], r"^[0-9a-f]{64}$")
        self.assertEqual(self.succeed("show", "web01@latest")["streams"], shown["streams"])
        self.assertIn(first["point"][:12], self.run_salvor("points").stdout)

    def test_images_that_are_others_are_told(self):
        def reason(*disks):
            return self.succeed("backup", "db", *(word for disk in disks for word in ("--disk", disk)))["fallback_reason"]
        disk = self.write("disk.raw", os.urandom(300_000))
        self.assertEqual([reason("disk.raw"), reason("disk.raw")], [None, "untracked"])
        self.write("other.raw", os.urandom(300_000))
        os.replace(self.path("other.raw"), disk)
        self.assertEqual([reason("disk.raw"), reason("disk.raw")], ["image-replaced", "untracked"])
        os.truncate(disk, 200_000)
        self.assertEqual([reason("disk.raw"), reason("disk.raw")], ["size-changed", "untracked"])
        self.write("second.raw", bytes(1000))
        self.assertEqual(reason("vdb=second.raw", "vda=disk.raw"), "untracked")
        self.assertEqual(reason("vda=second.raw", "vdb=disk.raw"), "image-replaced")
        self.write("third.raw", os.urandom(200_000))
        self.assertIn("(an image was replaced)", self.run_salvor("backup", "db", "--disk", "third.raw", "--disk", "disk.raw").stdout)

    def test_unknown_names(self):
        point = self.backup()["point"]
        self.fail_with(1, "not-found", "web01", "points", "web10")
        self.fail_with(1, "not-found", "web01", "show", "web02@latest")
        self.fail_with(1, "not-found", ".", "show", "ffffffffffff" if point[0] != "f" else "000000000000")
        self.fail_with(1, "not-found", ".", "show", "web01@1999-01-01")

    def test_bad_disks(self):
        self.fail_with(1, "not-found", "missing.raw", "backup", "web01", "--disk", "missing.raw")
        self.write("empty.raw", b"")
        self.write("disk.raw", bytes(1000))
        self.fail_with(1, "failed", "disk 'vdb': empty.raw is empty", "backup", "web01", "--disk", "disk.raw", "--disk", "empty.raw")
        os.symlink("disk.raw", self.path("link.raw"))
        for other in ("disk.raw", "./disk.raw", "link.raw"):
            self.fail_with(2, "usage", f"disks 'vda' and 'data' are one image: {other}", "backup", "web01",
                           "--disk", "disk.raw", "--disk", f"data={other}")
        self.assertEqual(self.succeed("points")["points"], [])

    def test_restore(self):
        point = self.backup()["point"]
        with open(self.path("disk.raw"), "rb") as file:
            data = file.read()
        done = self.succeed("restore", "web01", "--to", "out")
        self.assertEqual(done, {"point": point, "files": [{"name": "vda", "path": "out/vda.raw", "size": 1_000_000}], "healed": []})
        with open(self.path("out", "vda.raw"), "rb") as file:
            self.assertEqual(file.read(), data)
        self.fail_with(1, "exists", "vda.raw.*--force", "restore", "web01", "--to", "out")
        self.fail_with(1, "not-found", "vdc", "restore", "web01", "--disk", "vdc=x.raw")
        self.assertFalse(os.path.exists(self.path("x.raw")))
        self.fail_with(1, "not-found", "nearest is 'vda'", "export", "web01", "--socket", "s", "--disk", "vdb")
        self.assertIn("out/vda.raw", self.run_salvor("restore", "web01", "--to", "out", "--force").stdout)

    def test_diff(self):
        chunk = 65536
        disk = bytearray(os.urandom(5 * chunk) + bytes(5 * chunk))
        self.write("disk.raw", disk)
        first = self.backup()["point"]
        disk[chunk:chunk + 3] = b"new"
        disk[7 * chunk:9 * chunk] = os.urandom(2 * chunk)
        self.write("disk.raw", disk)
        second = self.backup()["point"]
        self.succeed("key", "add", "--name", "host7", "--out", "host7.key")
        said = self.succeed("diff", first[:12], "web01@latest", "--ranges", "--key", "host7.key", SALVOR_PASSPHRASE="")
        ranges = [{"offset": chunk, "length": chunk}, {"offset": 7 * chunk, "length": 2 * chunk}]
        vda = {"name": "vda", "change": "changed", "from_size": 10 * chunk, "to_size": 10 * chunk, "comparable": True,
               "bytes_differing": 3 * chunk, "ranges": ranges}
        self.assertEqual(said, {"from": first, "to": second, "streams": [vda]})
        self.assertEqual(self.run_salvor("diff", first, second, "--ranges").stdout, f"vda {chunk} {chunk}\nvda {7 * chunk} {2 * chunk}\n")
        self.assertRegex(self.run_salvor("diff", first, second).stdout, r"vda +changed .* 192 KiB +2\n1 of 1 streams differ, in 2 ranges of 192 KiB\n")
        self.assertRegex(self.run_salvor("diff", second, second).stdout, r"vda +same .*\n0 of 1 streams differ")
        self.assertEqual([s["change"] for s in self.succeed("diff", second, second)["streams"]], ["same"])
        for folder, _, packs in os.walk(self.path("repository", "m")):
            for pack in packs:
                os.truncate(os.path.join(folder, pack), 100)
        self.assertEqual(self.succeed("diff", second, second)["streams"][0]["change"], "same")
        self.fail_with(4, "corrupt", "vda.*m/", "diff", first, second)
        broken = self.run_json(4, "diff", first, second, "--ranges")
        self.assertEqual((broken["from"], broken["error"]["code"], broken["streams"][0]["name"]), (first, "corrupt", "vda"))
        self.assertNotIn("change", broken["streams"][0])

    def test_ranges_go_out_as_they_are_found(self):
        """A reader that reads no further ends it, however much there is to say."""
        chunk, n = 65536, 6000
        with open(self.path("disk.raw"), "wb") as file:
            file.truncate(2 * n * chunk)
        first = self.backup()["point"]
        with open(self.path("disk.raw"), "r+b") as file:
            for i in range(n):
                file.seek(2 * i * chunk)
                file.write(b"x")
        second = self.backup()["point"]
        said = self.succeed("diff", first, second, "--ranges")["streams"][0]
        self.assertEqual((len(said["ranges"]), said["bytes_differing"]), (n, n * chunk))
        for words in ["--ranges"], ["--ranges", "--json"]:
            with open("/dev/full", "w", encoding="ascii") as full:
                done = self.run_salvor("diff", first, second, *words, stdout=full)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, "standard output")
            self.assertNotRegex(done.stderr, "web01 as of")  # what comes when all is compared

    def test_diff_of_other_workloads(self):
        self.write("disk.raw", b"x" * 100_000 + bytes(900_000))
        self.write("longer.raw", b"x" * 100_000 + bytes(1_900_000))
        self.write("same.raw", b"x" * 100_000 + bytes(900_000))
        self.succeed("backup", "a", "--disk", "vda=disk.raw", "--disk", "vdb=same.raw")
        self.succeed("backup", "b", "--disk", "vda=longer.raw", "--disk", "vdc=disk.raw")
        said = {s["name"]: (s["change"], s["from_size"], s["to_size"], s["bytes_differing"]) for s in self.succeed("diff", "a", "b")["streams"]}
        self.assertEqual(said, {"vda": ("resized", 1_000_000, 2_000_000, 0), "vdb": ("removed", 1_000_000, None, 131_072),
                                "vdc": ("added", None, 1_000_000, 131_072)})
        self.fail_with(1, "not-found", "web03", "diff", "a", "web03")
        self.fail_with(2, "usage", "POINT POINT", "diff", "a")

    def pack(self, n=0):
        """Path of the n-th pack of chunks that is there."""
        folder = self.path("repository", "p")
        found = sorted(os.path.join(root, file) for root, _, files in os.walk(folder) for file in files)
        return found[n]

    def damage(self, path, offset=5000):
        os.chmod(path, 0o600)
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(b"\0damage")

    def object_name(self, path):
        return os.path.relpath(path, self.path("repository"))

    def run_json(self, status, *words):
        done = self.run_salvor("--json", *words)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout)

    def test_damage(self):
        point = self.backup()["point"]
        whole = self.succeed("scrub")
        self.assertEqual((whole["damaged"], whole["level"]), ([], "digests"))
        self.damage(self.pack())
        found = self.run_json(4, "scrub")
        self.assertEqual([(d["object"], d["points"]) for d in found["damaged"]], [(self.object_name(self.pack()), [point])])
        self.assertEqual([(hurt["id"], hurt["workload"]) for hurt in found["hurt"]], [(point, "web01")])
        text = self.run_salvor("scrub")
        self.assertEqual(text.returncode, 4)
        self.assertRegex(text.stdout, r"hurts web01@\S+Z \(point " + point[:12])
        self.assertIn("no point of web01 is known to be whole", text.stdout)
        self.assertIn("ack up again", text.stdout)
        self.fail_with(4, "corrupt", "vda.*; there is no other point of it that is not known to be hurt", "restore", "web01", "--to", "out")

    def test_what_scrub_found_is_told_where_points_are_chosen(self):
        old, key = self.backup()["point"], {"SALVOR_KEY_FILE": self.path("recovery.key")}
        self.assertIsNone(self.succeed("points", **key)["points"][0]["scrubbed"])
        self.assertRegex(self.run_salvor("show", old[:12], **key).stdout, "Scrubbed +never from here\n")
        self.write("disk.raw", os.urandom(1_000_000))
        new = self.backup()["point"]
        self.damage(self.pack(1))
        self.assertEqual(self.run_salvor("scrub", **key).returncode, 4)
        later = self.backup("web02")["point"]
        listed = {point["id"]: point["scrubbed"] for point in self.succeed("points", **key)["points"]}
        self.assertIsNone(listed[later])
        self.assertEqual((listed[old]["verdict"], listed[old]["damaged"]), ("whole", []))
        self.assertEqual((listed[new]["verdict"], listed[new]["level"], listed[new]["streams"]), ("hurt", "digests", ["vda"]))
        self.assertEqual([damage["object"] for damage in listed[new]["damaged"]], [self.object_name(self.pack(1))])
        self.assertEqual(self.succeed("show", new[:12], **key)["scrubbed"], listed[new])
        self.assertRegex(self.run_salvor("points", **key).stdout, rf"{new[:12]} .* hurt .*\n{old[:12]} .* whole ")
        shown = self.run_salvor("show", new[:12], **key).stdout
        self.assertRegex(shown, rf"Scrubbed +hurt, by digests, on \S+Z: vda\n +{self.object_name(self.pack(1))}: its SHA-256")
        done = self.run_salvor("status", "--json", **key)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, rf"web01: points that are hurt: 1 of 2, .*the newest that is not is web01@\S+ \(point {old[:12]}\)")
        workloads = {workload["name"]: workload for workload in json.loads(done.stdout)["workloads"]}
        self.assertEqual((workloads["web01"]["hurt"], workloads["web01"]["newest_not_hurt"]["id"]), (1, old))
        self.assertEqual(workloads["web02"]["hurt"], 0)
        self.backup()  # finds the content where web02 has it
        os.unlink(self.pack(2))
        os.unlink(self.pack(1))
        said = self.run_salvor("restore", "web01", "--disk", "vda=my disk.raw", **key)
        self.assertEqual(said.returncode, 4)
        self.assertIn(f"""'salvor restore {old[:12]} --disk "vda=my disk.raw" --force' brings back web01@""", said.stderr)

    def test_scrub_levels(self):
        self.backup()
        self.assertNotIn("SCRUBBED BY", self.run_salvor("status").stdout)
        for level in "sizes", "contents":
            self.assertEqual(self.succeed("scrub", "--level", level)["damaged"], [])
        scrubs = self.succeed("status")["scrubs"]
        self.assertIsNone(scrubs["digests"])
        self.assertRegex(self.run_salvor("status").stdout, r"\n\nSCRUBBED BY +TIME +AGE\n"
                         rf"sizes +{scrubs['sizes']} .*\ncontents +{scrubs['contents']} .*\n\nHEAD OF")
        self.assertEqual(self.succeed("scrub", "--level", "digests")["damaged"], [])
        self.damage(self.pack())
        self.assertEqual(self.succeed("scrub", "--level", "sizes")["damaged"], [])
        self.assertEqual(len(self.run_json(4, "scrub", "--level", "contents")["damaged"]), 1)
        self.fail_with(2, "usage", "deep.*contents", "scrub", "--level", "deep")
        self.succeed("key", "add", "--name", "host7", "--out", "host7.key")
        self.fail_with(1, "denied", "read", "scrub", "--level", "contents", "--key", "host7.key")
        self.assertEqual(self.run_salvor("scrub", "--key", "host7.key").returncode, 4)

    def test_damage_heals_with_the_next_backup(self):
        first = self.backup()["point"]
        self.damage(self.pack())
        for root, _, files in os.walk(self.path("repository", "m")):
            for file in files:
                os.unlink(os.path.join(root, file))
        found = self.run_json(4, "scrub")
        self.assertEqual(({point["id"] for point in found["hurt"]}, found["newest_whole"]), ({first}, []))
        self.fail_with(4, "corrupt", "vda", "restore", first[:12], "--to", "none")
        again = self.backup()["point"]
        found = self.run_json(4, "scrub")
        self.assertEqual([point["id"] for point in found["newest_whole"]], [again])
        with open(self.path("disk.raw"), "rb") as file:
            data = file.read()
        for point, status, note in (again, 0, ""), (first, 3, f"were read from point {again[:12]}"):
            done = self.run_salvor("restore", point[:12], "--to", point)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(note, done.stderr)
            with open(self.path(point, "vda.raw"), "rb") as file:
                self.assertEqual(file.read(), data)

    def test_restore_names_damaged_ranges(self):
        first = self.write("first.raw", os.urandom(400_000))
        self.write("other.raw", os.urandom(100_000))
        self.succeed("backup", "db", "--disk", "a=first.raw", "--disk", "b=other.raw")
        old = self.succeed("points", "db")["points"][0]["id"]
        with open(first, "r+b") as file:
            file.seek(65536)
            file.write(os.urandom(65536))
        new = self.succeed("backup", "db", "--disk", "a=first.raw", "--disk", "b=other.raw")["point"]
        self.damage(self.pack(1), 1000)
        said = self.run_json(4, "restore", new[:12], "--to", "out")
        self.assertEqual([file["name"] for file in said["files"]], ["b"])
        self.assertEqual([(d["name"], d["path"], d["bytes"]) for d in said["damaged"]], [("a", None, 65536)])
        spot = said["damaged"][0]["ranges"][0]
        self.assertEqual((spot["offset"], spot["length"], spot["object"]), (65536, 65536, self.object_name(self.pack(1))))
        self.assertEqual((said["error"]["code"], said["error"]["object"]), ("corrupt", self.object_name(self.pack(1))))
        self.assertRegex(said["error"]["message"], rf"restored whole: b \(out/b.raw\); next, 'salvor restore {old[:12]} --to out --force' brings back db@\S+ \(point {old[:12]}\), "
                         "the newest other point of it that is not known to be hurt; .*scrub")
        self.assertEqual(os.listdir(self.path("out")), ["b.raw"])
        kept = self.run_json(4, "restore", new[:12], "--to", "kept", "--keep-damaged")
        self.assertEqual(kept["damaged"][0]["path"], "kept/a.raw")
        with open(first, "rb") as file:
            data = file.read()
        with open(self.path("kept", "a.raw"), "rb") as file:
            self.assertEqual(file.read(), data[:65536] + bytes(65536) + data[131072:])
        self.succeed("restore", old[:12], "--to", "out", "--force")

    def test_restore_that_fails_names_what_is_whole(self):
        self.write("small.raw", os.urandom(100_000))
        self.write("large.raw", os.urandom(3_000_000))
        point = self.succeed("backup", "db", "--disk", "a=small.raw", "--disk", "b=large.raw")["point"]
        limited = ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={1 << 20}", BIN, "restore", "db"]
        for words, a, b in (["--to", "out"], "out/a.raw", "out/b.raw"), (["--disk", "a=x", "--disk", "b=y", "--json"], "x", "y"):
            done = subprocess.run(limited + words, capture_output=True, text=True, check=False, cwd=self.folder, env=self.environment)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, rf"{b}.*; restored whole: a \({a}\)\n$")
            self.assertEqual((os.path.exists(self.path(a)), os.path.exists(self.path(b))), (True, False))
        said = json.loads(done.stdout)
        self.assertEqual((said["point"], said["files"]), (point, [{"name": "a", "path": "x", "size": 100_000}]))
        self.assertRegex(said["error"]["message"], "y.*restored whole: a")
        self.fail_with(2, "usage", "both a and b.*out/z", "restore", "db", "--disk", "a=out/z", "--disk", "b=out/z", "--force")

    def test_leftovers_of_a_killed_restore(self):
        self.backup()
        os.mkdir(self.path("out"))
        self.write("out/vda.raw.salvor-abcdef", b"half")
        done = self.run_salvor("restore", "web01", "--to", "out")
        self.assertEqual(done.returncode, 0)
        self.assertIn("vda.raw.salvor-abcdef", done.stderr)
        self.assertEqual(os.listdir(self.path("out")), ["vda.raw"])

    def test_vanished_point(self):
        self.backup()
        self.backup("web02")
        commits = self.path("repository", "c")
        os.unlink(os.path.join(commits, sorted(os.listdir(commits))[-1]))
        for verb in "points", "status":
            done = self.run_salvor(verb)
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.stderr, "'owner'.*'web01'.*vanished")
            self.assertEqual(len(self.run_json(3, verb)["vanished"]), 1)

    def test_vanished_point_among_points_of_one_workload(self):
        for workload in "web01", "db1", "web02":
            self.backup(workload)
        commits = self.path("repository", "c")
        os.unlink(os.path.join(commits, sorted(os.listdir(commits))[-1]))
        done = self.run_salvor("points", "web01")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, "'owner', who protects several workloads, has vanished")

    def test_point_deleted_behind_our_back(self):
        self.backup()
        self.backup()
        commits = self.path("repository", "c")
        names = sorted(os.listdir(commits))
        os.unlink(os.path.join(commits, names[0]))
        self.environment["SALVOR_STATE_DIR"] = self.path("other-state")  # no memory of it
        found = self.run_json(4, "scrub", "--level", "sizes")
        self.assertEqual([(d["object"], d["points"]) for d in found["damaged"]], [("c/" + names[0], [])])
        lost = found["damaged"][0]["commit"]
        self.assertEqual((lost["writer"], lost["session"], lost["workload"]), ("owner", 1, "web01"))
        self.assertIsNotNone(lost["begun"])
        for verb in "points", "status":
            self.assertEqual([gone["object"] for gone in self.run_json(3, verb)["vanished"]], ["c/" + names[0]])
        self.succeed("restore", "web01", "--to", "out")  # what is gone is older

    def test_newest_point_that_cannot_be_read(self):
        old = self.backup()["point"]
        self.backup()
        commits = self.path("repository", "c")
        first, newest = (os.path.join(commits, name) for name in sorted(os.listdir(commits)))
        os.chmod(newest, 0o600)
        os.truncate(newest, 100)
        for verb in ("show", "web01"), ("restore", "web01@latest", "--to", "out", "--force"):
            done = self.run_salvor(*verb)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertRegex(done.stderr, f"c/{os.path.basename(newest)} cannot be read.*{old[:12]}")
        self.assertEqual(self.run_salvor("show", old[:12]).returncode, 0)
        os.unlink(newest)
        self.assertEqual(self.run_salvor("show", "web01").returncode, 3)
        self.assertEqual(self.run_salvor("backup", "web01", "--disk", "disk.raw").returncode, 3)  # it tells, too
        self.assertEqual(self.run_salvor("show", "web01").returncode, 0)
        os.chmod(first, 0o600)
        os.truncate(first, 100)
        self.assertEqual(self.run_salvor("show", "web01").returncode, 0)

    def test_another_writer(self):
        self.backup()
        self.assertNotIn("was made by", self.run_salvor("restore", "web01", "--to", "one").stderr)
        self.succeed("key", "add", "--name", "laptop", "--out", "laptop.key")
        self.assertEqual(self.run_salvor("backup", "web01", "--disk", "disk.raw", "--key", "laptop.key",
                                         SALVOR_STATE_DIR=self.path("elsewhere")).returncode, 0)
        self.assertRegex(self.run_salvor("restore", "web01", "--to", "two").stderr, "made by 'laptop'.*by 'owner'")

    def test_wrong_keys(self):
        self.fail_with(1, "denied", "passphrase", "points", SALVOR_PASSPHRASE="wrong")
        self.fail_with(1, "not-found", "none.key", "points", "--key", "none.key")
        self.fail_with(2, "usage", "disk.raw|key file", "points", "--key", self.write("disk.raw", b"no key\n"))
        self.fail_with(1, "not-found", "elsewhere", "points", "--repo", self.path("elsewhere"))

    def test_newer_format(self):
        config = self.path("repository", "config")
        os.chmod(config, 0o600)
        with open(config, "r+b") as file:
            newer = bytearray(file.read())
            newer[10:12] = struct.pack("<H", 2)
            newer[-32:] = hashlib.sha256(newer[:-32]).digest()
            file.seek(0)
            file.write(newer)
        self.fail_with(1, "unsupported", "2", "points")

    def test_damage_of_what_opens_a_repository(self):
        """Whoever has several learns which of them it is."""
        for name in "config", "k/00000000", "s/owner":
            path = self.path("repository", name)
            with open(path, "rb") as file:
                whole = file.read()
            os.chmod(path, 0o600)
            os.truncate(path, 50)
            error = self.fail_with(4, "corrupt", f"^(salvor: )?repository {self.path('repository')}: .*{name}", "points")
            self.assertEqual(error["object"], name)
            with open(path, "wb") as file:
                file.write(whole)

    def test_passphrase_is_exact_but_for_one_line_end(self):
        environment = {"SALVOR_PASSPHRASE_FILE": self.write("passphrase", PASSPHRASE.encode() + b"\r\n")}
        self.succeed("points", **environment)
        self.write("passphrase", PASSPHRASE.encode() + b"\n\n")
        self.fail_with(1, "denied", "passphrase", "points", **environment)

    def test_recovery_key_opens(self):
        del self.environment["SALVOR_PASSPHRASE"]
        self.assertEqual(self.succeed("points", "--key", "recovery.key")["points"], [])

    def test_keys(self):
        added = self.succeed("key", "add", "--name", "host7", "--out", "host7.key")
        self.assertEqual(added, {"name": "host7", "roles": ["write"], "file": "host7.key"})
        keys = {key["name"]: key["roles"] for key in self.succeed("key", "list")["keys"]}
        self.assertEqual(keys["host7"], ["write"])
        self.assertLessEqual({"owner", "recovery", "host7"}, set(keys))
        self.fail_with(1, "exists", "host7", "key", "add", "--name", "host7", "--out", "again.key")
        self.fail_with(1, "denied", "admin", "key", "add", "--name", "x", "--out", "x.key", "--key", "host7.key")
        self.fail_with(2, "usage", "--name", "key", "list", "--name", "x")

    def test_status(self):
        self.assertEqual(self.succeed("status")["workloads"], [])
        point = self.backup()["point"]
        self.backup("web02")
        status = self.succeed("status")
        self.assertEqual({workload["name"]: workload["points"] for workload in status["workloads"]}, {"web01": 1, "web02": 1})
        newest = {workload["name"]: workload["newest"]["id"] for workload in status["workloads"]}
        self.assertEqual(newest["web01"], point)
        self.assertEqual([(head["name"], head["session"]) for head in status["heads"]], [("owner", 2)])
        self.assertEqual(status["damaged"], [])

    def test_status_tells_of_a_damaged_memory_once(self):
        self.backup()
        [heads] = glob.glob(self.path("state", "*", "heads"))
        with open(heads, "r+b") as file:
            file.truncate(os.path.getsize(heads) // 2)
        status = self.run_salvor("status")
        self.assertEqual(status.returncode, 3, status.stderr)
        self.assertIn(os.path.dirname(heads), status.stderr)
        self.assertEqual(self.run_salvor("status").returncode, 0)

    def test_configuration_counts_last(self):
        config = self.write("salvor.conf", f'repo = "{self.path("repository")}"\nkey_file = "none.key"\n'.encode())
        del self.environment["SALVOR_REPO"]
        self.succeed("points", SALVOR_CONFIG=config)
        del self.environment["SALVOR_PASSPHRASE"]
        self.fail_with(1, "not-found", "none.key", "points", SALVOR_CONFIG=config)
        self.succeed("points", "--key", "recovery.key", SALVOR_CONFIG=config)


class Prompt(CommandTest):
    """At a terminal."""

    def setUp(self):
        super().setUp()
        self.environment["SALVOR_REPO"] = self.path("repository")

    def start(self, *words):
        self.terminal, other = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        self.said = b""
        process = subprocess.Popen(["setsid", "--ctty", "--wait", BIN, *words], stdin=other, stdout=other, stderr=other,
                                   cwd=self.folder, env=self.environment)
        os.close(other)
        return process

    def read_until(self, regex):
        while not re.search(regex, self.said):
            ready, _, _ = select.select([self.terminal], [], [], 60)
            self.assertTrue(ready, f"waited in vain for {regex}: {self.said}")
            self.said += os.read(self.terminal, 4096)

    def type(self, regex, line):
        self.read_until(regex)
        self.said = b""
        os.write(self.terminal, line)

    def test_asked_twice_and_not_shown(self):
        process = self.start("init", "--no-recovery-key")
        self.type(b"New passphrase: ", b"secret words\n")
        self.type(b"again: ", b"secret words\n")
        self.read_until(b"Made the repository")
        self.assertNotIn(b"secret", self.said)
        self.assertEqual(process.wait(), 0)
        process = self.start("points")
        self.type(b"Passphrase: ", b"secret words\n")
        self.read_until(b"no points yet")
        self.assertEqual(process.wait(), 0)

    def test_two_that_differ(self):
        process = self.start("init", "--no-recovery-key")
        self.type(b"New passphrase: ", b"one\n")
        self.type(b"again: ", b"other\n")
        self.read_until(b"differ")
        self.assertEqual(process.wait(), 1)
        self.assertFalse(os.path.exists(self.path("repository")))

    def test_interrupted(self):
        process = self.start("init", "--no-recovery-key")
        self.type(b"New passphrase: ", b"\x03")
        self.read_until(b"interrupted; nothing was made")
        self.assertEqual(process.wait(), 130)


if __name__ == "__main__":
    unittest.main()
