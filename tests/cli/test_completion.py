#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The names that completion offers for bash: those of this machine's own things, and never at the price of a question."""
import glob
import os
import re
import subprocess
import unittest

from command import BIN, CommandTest

COMPLETION = os.path.join(os.environ["SALVOR_BUILD"], "share", "bash-completion", "completions", "salvor")
SCRIPT = f'source "{COMPLETION}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _salvor; printf "%s\\n" "${{COMPREPLY[@]}}"'


class Completion(CommandTest):
    def setUp(self):
        super().setUp()
        with open(self.path("disk.raw"), "wb") as file:
            file.write(os.urandom(196 * 512))
        with open(self.path("salvor"), "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\necho "$@" >>{self.path("asked")}\nexec {BIN} "$@"\n')
        os.chmod(self.path("salvor"), 0o755)

    def completed(self, *words, **environment):
        done = subprocess.run(["bash", "-c", SCRIPT, "bash", "./salvor", *words], capture_output=True, text=True, check=True, cwd=self.folder,
                              env=self.environment | environment, start_new_session=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_machines(self):
        self.assertEqual(self.completed("vm", "start", ""), set())
        for name in ("web01", "web02", "db.2_a-b"):
            self.succeed("vm", "create", name, "--disk", "disk.raw")
        for verb in ("start", "stop", "console", "delete"):
            self.assertEqual(self.completed("vm", verb, ""), {"web01", "web02", "db.2_a-b"})
        self.assertEqual(self.completed("vm", "stop", "--force", "w"), {"web01", "web02"})
        self.assertEqual(self.completed("vm", "list", ""), set())
        self.assertEqual(self.completed("vm", "create", ""), set())
        self.assertEqual(self.completed("vm", "st"), {"start", "stop"})
        os.unlink(self.path("asked"))
        self.assertIn("--force", self.completed("vm", "stop", "--f"))
        self.assertFalse(os.path.exists(self.path("asked")))

    def test_every_list_of_names_is_there(self):
        with open(COMPLETION, encoding="utf-8") as file:
            text = file.read()
        called = set(re.findall(r"\$\((_salvor_\w+)\)", text))
        self.assertGreaterEqual(called, {"_salvor_machines", "_salvor_workloads", "_salvor_points"})
        self.assertLessEqual(called, set(re.findall(r"^(_salvor_\w+)\(\)", text, re.MULTILINE)))

    def protect(self):
        self.environment.update(SALVOR_REPO=self.path("repository"), SALVOR_PASSPHRASE="correct horse")
        self.succeed("init", "--recovery-key", "recovery.key")
        return [self.succeed("backup", name, "--disk", "disk.raw")["point"][:12] for name in ("web01", "db", "two words", "web01", "$(touch x)")]

    def test_names_of_the_repository(self):
        points = self.protect()
        for words in (["restore"], ["backup"], ["points"], ["diff", "web01"], ["receipt", "list"], ["vm", "create", "a", "--from"]):
            self.assertEqual(self.completed(*words, ""), {"db", "web01"})
        self.assertEqual(self.completed("boot", "w"), {"web01"})
        self.assertEqual(self.completed("receipt", ""), {"list", "show"})
        self.assertEqual(self.completed("restore", "web01", "@"), {"@latest"})
        self.assertEqual(self.completed("restore", "web01", "@", "la"), {"@latest"})
        for point in points:
            self.assertIn(point, self.completed("show", point[:1]))
        self.assertIn("db", self.completed("show", "d"))
        self.assertEqual(self.completed("show", points[0][:8]), {points[0]})
        self.assertFalse(os.path.exists(self.path("x")))
        self.assertEqual(self.completed("show", "", SALVOR_PASSPHRASE="", SALVOR_KEY_FILE="recovery.key"), {"db", "web01"})

    def test_a_warning_is_left_for_people(self):
        self.protect()
        [heads] = glob.glob(self.path("state", "*", "heads"))
        with open(heads, "r+b") as file:
            file.truncate(os.path.getsize(heads) // 2)
        warning = "what was remembered of the repository is damaged, and is begun anew"
        self.assertEqual(self.completed("restore", ""), {"db", "web01"})
        self.assertIn(warning, self.run_salvor("points").stderr)
        self.assertNotIn(warning, self.run_salvor("points").stderr)
        self.completed("restore", "", SALVOR_STATE_DIR=self.path("other"))
        self.assertFalse(os.path.exists(self.path("other")))

    def test_nobody_is_asked(self):
        self.protect()
        os.mkfifo(self.path("fifo"))
        unset = {key: value for key, value in self.environment.items() if key != "SALVOR_PASSPHRASE"}
        for environment in ({"SALVOR_PASSPHRASE": ""}, {"SALVOR_PASSPHRASE_FILE": "fifo"}, {"SALVOR_KEY_FILE": "fifo"},
                            {"SALVOR_REPO": "s3://bucket/x"}, {"SALVOR_REPO": ""}):
            self.assertEqual(self.completed("restore", "", **environment), set())
        self.assertEqual(self.completed("--repo", "other", "restore", ""), set())
        self.environment = unset
        self.assertEqual(self.completed("restore", ""), set())
        self.assertFalse(os.path.exists(self.path("asked")))


if __name__ == "__main__":
    unittest.main()
