#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can be said wrong without a repository."""
import json
import os
import subprocess
import unittest

from command import BIN, CommandTest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


class Usage(CommandTest):
    def wrong(self, regex, *words, **environment):
        self.fail_with(2, "usage", regex, *words, **environment)

    def test_words(self):
        self.wrong("did you mean 'backup'", "bakcup")
        self.wrong("usage: salvor show POINT", "show")
        self.wrong("usage: salvor show POINT", "show", "a", "b")
        self.wrong("did you mean '--full'", "backup", "web01", "--ful")
        self.wrong("nearest is 'restore'", "help", "restor")
        self.assertEqual(self.run_salvor().returncode, 2)

    def test_values(self):
        self.wrong("--repo URL", "points")
        self.wrong("'http://host/x': a repository is in a folder.* 'http' is neither", "points", "--repo", "http://host/x", SALVOR_PASSPHRASE="x")
        self.wrong("--recovery-key FILE", "init", "--repo", "r")
        self.wrong("contradict", "init", "--repo", "r", "--recovery-key", "k", "--no-recovery-key")
        self.wrong("--connect", "backup", "a", "--disk", "x", "--connect", "test:///default")
        self.wrong("not a size", "backup", "a", "--disk", "x", "--spill-limit", "lots")
        self.wrong("0 to 3600", "backup", "a", "--disk", "x", "--freeze-timeout", "soon")
        self.wrong("names no path", "backup", "a", "--disk", "vda=")
        self.wrong("--to DIR", "restore", "a@latest")
        self.wrong("--to DIR", "restore", "a@latest", "--to", "d", "--disk", "x")
        self.wrong("neither raw nor qcow2", "restore", "a@latest", "--to", "d", "--format", "vmdk")
        self.wrong("--socket PATH", "export", "a@latest")
        self.wrong("neither kvm nor tcg", "boot", "a@latest", "--accel", "xen")
        self.wrong("not a size", "boot", "a@latest", "--memory", "0")
        self.wrong("neither 'key add' nor 'key list'", "key", "remove")
        self.wrong("--name NAME and --out FILE", "key", "add")
        self.wrong("superuser", "key", "add", "--name", "x", "--out", "f", "--role", "superuser")
        self.assertFalse(os.path.exists(self.path("state")))

    def test_passphrase(self):
        init = ("init", "--repo", "r", "--no-recovery-key")
        self.fail_with(1, "denied", "there is no terminal", *init)
        self.fail_with(1, "denied", "is empty", *init, SALVOR_PASSPHRASE="")
        self.fail_with(1, "denied", "longer than", *init, SALVOR_PASSPHRASE="x" * 5000)
        self.fail_with(1, "not-found", "passphrase file 'none'", *init, SALVOR_PASSPHRASE_FILE="none")
        with open(self.path("blank"), "w", encoding="ascii") as file:
            file.write("\n")
        self.fail_with(1, "denied", "'blank' is empty", *init, SALVOR_PASSPHRASE_FILE="blank")
        self.assertFalse(os.path.exists(self.path("r")))

    def test_configuration(self):
        self.fail_with(1, "not-found", "missing.conf", "points", SALVOR_CONFIG="missing.conf")
        with open(self.path("bad.conf"), "w", encoding="ascii") as file:
            file.write('repo = "/r"\nnonsense = 1\n')
        self.fail_with(2, "usage", "bad.conf:2", "points", SALVOR_CONFIG="bad.conf")
        sample = os.path.join(ROOT, "etc", "salvor.conf")
        self.fail_with(1, "not-found", "/backup/salvor|/etc/salvor/host.key", "points", SALVOR_CONFIG=os.path.abspath(sample))

    def test_output_that_cannot_be_written(self):
        for words in (["--help"], ["--version"], ["--version", "--json"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = self.run_salvor(*words, stdout=full)
            self.assertEqual(done.returncode, 1)
            self.assertIn("No space left on device", done.stderr)
            closed = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', BIN, *words], capture_output=True, text=True, check=False)
            self.assertEqual(closed.returncode, 1)
            self.assertIn("Bad file descriptor", closed.stderr)

    def test_version_and_help_as_json(self):
        self.assertRegex(self.run_salvor("--version").stdout, r"^salvor \d+\.\d+\.\d+\n$")
        self.assertRegex(self.succeed("--version")["version"], r"^\d")
        self.assertEqual(self.succeed("help", "boot")["help"], self.run_salvor("help", "boot").stdout)
        done = self.run_salvor("bogus", "--json")
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "usage")


if __name__ == "__main__":
    unittest.main()
