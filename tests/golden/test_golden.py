#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Repositories of this format version as they were once made, restored by the command and by the second reader: for ever the same."""
import hashlib
import os
import shutil
import subprocess
import sys
import unittest

TESTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")
GOLDEN = os.path.join(TESTS, "golden", "format-1")
READER = os.path.join(TESTS, "reader", "reader.py")
sys.path.insert(0, os.path.join(TESTS, "cli"))
from command import CommandTest  # noqa: E402


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Golden(CommandTest):
    def open(self, name):
        """A copy, with the folder that git does not keep."""
        self.golden = os.path.join(GOLDEN, name)
        shutil.copytree(os.path.join(self.golden, "repository"), self.path("repository"))
        os.makedirs(self.path("repository", "tmp"), exist_ok=True)
        self.environment["SALVOR_REPO"] = self.path("repository")
        self.expected = {}
        with open(os.path.join(self.golden, "SHA256SUMS"), encoding="ascii") as sums:
            for line in sums:
                expected, session, stream = line.split()
                self.expected.setdefault(session, {})[stream] = expected

    def read(self, *words, key="recovery.key"):
        return subprocess.run([READER, self.path("repository"), "--key", os.path.join(self.golden, key), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def restored_by_reader(self, session):
        folder = self.path("by-reader")
        os.mkdir(folder)
        done = self.read("--restore", session, folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = {name: digest(os.path.join(folder, name)) for name in os.listdir(folder)}
        shutil.rmtree(folder)
        return found

    def restored_by_command(self, point):
        key = os.path.join(self.golden, "recovery.key")
        files = self.succeed("restore", point, "--to", "by-command", "--key", key)["files"]
        found = {file["name"]: digest(self.path(file["path"])) for file in files}
        shutil.rmtree(self.path("by-command"))
        return found

    def restored_by_both(self, name):
        self.open(name)
        listed = self.read()
        self.assertEqual(listed.returncode, 0, listed.stderr)
        points = {line.split()[0]: line.split()[1] for line in listed.stdout.splitlines()}
        self.assertEqual(set(points), set(self.expected))
        for session, point in points.items():
            with self.subTest(session=session):
                self.assertEqual(self.restored_by_reader(session), self.expected[session])
                self.assertEqual(self.restored_by_command(point), self.expected[session])

    def test_disks(self):
        self.restored_by_both("disks")

    def test_three_levels(self):
        self.restored_by_both("deep")

    def test_zeros(self):
        self.restored_by_both("zeros")

    def test_hosts_that_only_write(self):
        self.restored_by_both("host")
        session = next(iter(self.expected))
        self.assertEqual(self.read(key="host.key").stdout, self.read().stdout)
        done = self.read("--restore", session, self.folder, key="host.key")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))
        self.assertRegex(done.stderr, "may not read")

    def test_guest(self):
        self.restored_by_both("guest")

    def test_all_are_tested(self):
        names = {name for name in os.listdir(GOLDEN) if os.path.isdir(os.path.join(GOLDEN, name))}
        self.assertEqual(names, {"disks", "deep", "zeros", "host", "guest"})

    def test_passphrase(self):
        self.open("zeros")
        words = [READER, self.path("repository"), "--passphrase"]
        listed = subprocess.check_output([*words, os.path.join(self.golden, "passphrase")], text=True)
        self.assertEqual(listed, self.read().stdout)
        said = self.succeed("points", SALVOR_PASSPHRASE_FILE=os.path.join(self.golden, "passphrase"))
        self.assertEqual([point["id"] for point in said["points"]], [line.split()[1] for line in listed.splitlines()])
        with open(self.path("wrong"), "w", encoding="ascii") as file:
            file.write("the passphrase of somebody else\n")
        done = subprocess.run([*words, self.path("wrong")], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "no slot opens with this passphrase\n"))


if __name__ == "__main__":
    if subprocess.run(["/usr/bin/python3", "-c", "import cryptography, zstandard"], check=False).returncode != 0:
        print("skipped: the second reader needs python3-cryptography and python3-zstandard")
        sys.exit(77)
    unittest.main()
