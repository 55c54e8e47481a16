#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Receipts as the command lists, shows and hands them on, and what it says of changed ones."""
import html.parser
import json
import os
import subprocess
import unittest

from command import CommandTest

DRIVER = os.path.join(os.environ["SALVOR_BUILD"], "tests", "receipt_driver")


class Page(html.parser.HTMLParser):
    """The elements that are open where a page ends, those that were seen, and what a person reads."""

    EMPTY = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if not {"style", "template"} & set(self.open):
            self.text += data


class Receipts(CommandTest):
    def setUp(self):
        super().setUp()
        self.environment.update(SALVOR_REPO=self.path("repository"), SALVOR_PASSPHRASE="correct horse")
        self.succeed("init", "--recovery-key", "recovery.key")
        self.environment["SALVOR_KEY_FILE"] = self.path("recovery.key")  # opens without scrypt
        with open(self.path("disk.raw"), "wb") as file:
            file.write(os.urandom(100_000))
        self.point = self.backup()

    def backup(self):
        return self.succeed("backup", "web01", "--disk", "disk.raw", SALVOR_KEY_FILE="")["point"]

    def verify(self, verdict="passed", key="recovery.key", point="web01"):
        done = subprocess.run([DRIVER, self.path("repository"), self.path(key), point, verdict], cwd=self.folder, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def change(self, name, at):
        with open(self.path(name), "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))

    def without_repository(self, *words):
        return self.run_salvor(*words, SALVOR_REPO="")

    def test_none(self):
        self.assertEqual(self.succeed("receipt", "list"), {"receipts": [], "damaged": []})
        self.assertIn("salvor verify", self.run_salvor("receipt", "list").stdout)
        self.fail_with(1, "not-found", "web01.*no receipt", "receipt", "show", "web01")
        self.fail_with(1, "not-found", "db1", "receipt", "list", "db1")
        self.assertIsNone(self.succeed("show", "web01")["verified"])

    def test_list(self):
        names = [self.verify("failed"), self.verify("passed")]
        receipts = self.succeed("receipt", "list", "web01")["receipts"]
        self.assertEqual([receipt["object"] for receipt in receipts], names[::-1])
        self.assertEqual([receipt["verdict"] for receipt in receipts], ["passed", "failed"])
        self.assertEqual([receipt["seconds_to_ready"] for receipt in receipts], [14.0, None])
        self.assertEqual({receipt["standing"] for receipt in receipts}, {"member"})
        self.assertEqual({receipt["point"] for receipt in receipts}, {self.point})
        self.assertEqual(self.succeed("receipt", "list", self.point[:12])["receipts"], receipts)
        text = self.run_salvor("receipt", "list").stdout
        self.assertIn(receipts[0]["receipt"][:12], text)
        self.assertIn("recovery", text)

    def test_show(self):
        self.verify("failed")
        name = self.verify("passed")
        shown = self.succeed("receipt", "show", "web01@latest")
        self.assertEqual((shown["object"], shown["verdict"], shown["sign"], shown["host"]), (name, "passed", "console", "lab3"))
        self.assertEqual([stream["name"] for stream in shown["streams"]], ["vda"])
        for word in (name, shown["receipt"][:10], shown["receipt"], self.point[:10]):
            self.assertEqual(self.succeed("receipt", "show", word), shown)
        text = self.run_salvor("receipt", "show", name).stdout
        self.assertIn("a member of this repository who may read", text)
        self.assertIn("\n      OK   Started sshd\n    <b>web01</b> login: \n", text)
        self.assertNotIn("\x1b", text)

    def test_point_and_status_say_it(self):
        self.verify("failed")
        self.assertEqual(self.succeed("show", "web01")["verified"]["verdict"], "failed")
        done = self.run_salvor("status", "--json")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"web01@\S+ \(point .*failed its verification: .*no point")
        workload = json.loads(done.stdout)["workloads"][0]
        self.assertEqual((workload["newest_verified"], workload["failed"]), (None, 1))
        self.assertEqual(self.succeed("points")["points"][0]["verified"]["verdict"], "failed")
        self.assertRegex(self.run_salvor("points").stdout, r"web01 .* failed ")
        self.assertRegex(self.run_salvor("show", "web01").stdout, r"Verified +failed, on \S+ by recovery: \S")
        self.verify("passed")
        shown = self.succeed("show", "web01")["verified"]
        self.assertEqual((shown["verdict"], shown["by"], shown["seconds_to_ready"]), ("passed", "recovery", 14.0))
        self.assertRegex(self.run_salvor("show", "web01").stdout, r"\nVerified +passed, on \d{4}-")
        self.backup()
        self.assertIsNone(self.succeed("show", "web01")["verified"])
        self.assertEqual(self.succeed("status")["workloads"][0]["newest_verified"]["id"], self.point)

    def test_without_a_key(self):
        self.verify()
        self.succeed("receipt", "show", "web01", "--out", "web01.receipt", "--html", "web01.html")
        for name in ("web01.receipt", "web01.html"):
            done = self.without_repository("receipt", "show", name)
            self.assertEqual(done.returncode, 0, done.stderr)
            key = next(key for key in self.succeed("key", "list")["keys"] if key["name"] == "recovery")
            self.assertIn(f"has the ID {key['id']}.", done.stdout)
            self.assertEqual(self.succeed("receipt", "show", name)["standing"], "member")
        self.fail_with(1, "exists", "web01.receipt", "receipt", "show", "web01", "--html", "web01.receipt")

    def test_page(self):
        self.verify()
        self.succeed("receipt", "show", "web01", "--html", "web01.html")
        with open(self.path("web01.html"), encoding="utf-8") as file:
            page = Page(file.read())
        self.assertEqual(page.open, [])
        self.assertEqual({tag for tag, _ in page.seen} & {"script", "b", "link", "iframe", "object"}, set())
        pictures = [attributes["src"] for tag, attributes in page.seen if tag == "img"]
        self.assertEqual([source[:22] for source in pictures], ["data:image/png;base64,"])
        for words in ("passed", "web01", "After 14.0 s", "<b>web01</b> login:", "lab3", "the console showed 'login:'"):
            self.assertIn(words, page.text)

    def test_changed_files(self):
        self.verify()
        self.succeed("receipt", "show", "web01", "--out", "web01.receipt", "--html", "web01.html")
        for name in ("web01.receipt", "web01.html"):
            size = os.path.getsize(self.path(name))
            for at in (*range(20, size, size // 6), size - 1):
                self.change(name, at)
                done = self.without_repository("receipt", "show", name)
                self.assertEqual((done.returncode, done.stdout), (4, ""), f"{name} at {at}: {done.stderr}")
                self.assertRegex(done.stderr, f"^salvor: {name}: .*\n$")
                self.change(name, at)
            self.assertEqual(self.without_repository("receipt", "show", name).returncode, 0)
        os.truncate(self.path("web01.receipt"), 100)
        self.assertEqual(self.fail_with(4, "corrupt", "too short", "receipt", "show", "web01.receipt")["object"], "web01.receipt")

    def test_damage_in_the_repository(self):
        first, second = self.verify(), self.verify()
        path = os.path.join("repository", second)
        os.chmod(self.path(path), 0o600)
        self.change(path, 300)
        done = self.run_salvor("receipt", "list", "--json")
        self.assertEqual(done.returncode, 4)
        listed = json.loads(done.stdout)
        self.assertEqual([receipt["object"] for receipt in listed["receipts"]], [first])
        self.assertEqual([damage["object"] for damage in listed["damaged"]], [second])
        self.assertEqual(self.fail_with(4, "corrupt", second, "receipt", "show", second)["object"], second)
        scrubbed = self.run_salvor("scrub", "--json")
        self.assertEqual(scrubbed.returncode, 4)
        self.assertEqual([(d["object"], d["points"]) for d in json.loads(scrubbed.stdout)["damaged"]], [(second, [])])

    def test_scrub_misses_a_point_that_has_a_receipt(self):
        self.verify()
        (commit,) = os.listdir(self.path("repository", "c"))
        os.unlink(self.path("repository", "c", commit))
        done = self.run_salvor("scrub", "--json", SALVOR_STATE_DIR=self.path("other-state"))
        self.assertEqual(done.returncode, 4, done.stderr)
        (damage,) = json.loads(done.stdout)["damaged"]
        self.assertEqual(damage["object"], "c/" + commit)
        self.assertRegex(damage["reason"], "has vanished .*receipt")

    def test_scrub_knows_receipts(self):
        before = self.succeed("scrub")
        self.verify()
        after = self.succeed("scrub")
        self.assertEqual((after["objects"], after["damaged"]), (before["objects"] + 1, []))

    def test_a_write_only_host(self):
        self.verify()
        self.succeed("key", "add", "--name", "host7", "--role", "write", "--out", "host7.key")
        key = ("--key", "host7.key")
        self.fail_with(1, "denied", "may not read", "receipt", "list", *key)
        self.fail_with(1, "denied", "may not read", "receipt", "show", "web01", *key)
        self.assertIsNone(self.succeed("show", "web01", *key)["verified"])
        self.assertIsNone(self.succeed("status", *key)["workloads"][0]["newest_verified"])
        self.succeed("receipt", "show", "web01", "--out", "web01.receipt")
        self.assertEqual(self.succeed("receipt", "show", "web01.receipt", *key)["standing"], "member")
        self.verify(key="host7.key")
        listed = self.succeed("receipt", "list")["receipts"]
        self.assertEqual([receipt["standing"] for receipt in listed], ["no-reader", "member"])
        done = self.run_salvor("receipt", "show", listed[0]["object"])
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("cannot have booted one", done.stderr)
        self.assertEqual(self.succeed("show", "web01")["verified"]["by"], "recovery")

    def test_another_repository(self):
        self.verify()
        self.succeed("receipt", "show", "web01", "--out", "web01.receipt")
        self.succeed("init", "--no-recovery-key", "--repo", self.path("second"))
        done = self.run_salvor("receipt", "show", "web01.receipt", "--repo", self.path("second"), SALVOR_KEY_FILE="")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("ANOTHER repository", done.stdout)

    def test_a_receipt_that_would_have_no_place(self):
        self.fail_with(1, "denied", "none/ cannot be written to", "verify", "web01", "--receipt", "none/web01.receipt")

    def test_usage(self):
        self.fail_with(2, "usage", "neither", "receipt", "print")
        self.fail_with(2, "usage", "no file 'none.html', and no repository", "receipt", "show", "none.html", SALVOR_REPO="")
        self.fail_with(2, "usage", "needs a receipt", "receipt", "show")
        self.fail_with(2, "usage", "neither --html nor --out", "receipt", "list", "--html", "x")


if __name__ == "__main__":
    unittest.main()
