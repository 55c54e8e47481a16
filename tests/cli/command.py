# SPDX-License-Identifier: Apache-2.0
"""The command under test, in a folder of its own and with nothing of this machine's user."""
import json
import os
import subprocess
import tempfile
import unittest

BIN = os.environ["SALVOR_BIN"]


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="salvor-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("SALVOR_", "XDG_"))}
        self.environment.update(HOME=self.folder, SALVOR_STATE_DIR=self.path("state"), SALVOR_CACHE_DIR=self.path("cache"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run_salvor(self, *words, stdout=subprocess.PIPE, **environment):
        """Without a terminal, so that nothing can be asked."""
        return subprocess.run([BIN, *words], stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False,
                              cwd=self.folder, env=self.environment | environment, start_new_session=True)

    def succeed(self, *words, **environment):
        """What the one JSON object says."""
        done = self.run_salvor("--json", *words, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def fail_with(self, status, code, regex, *words, **environment):
        """One sentence, exit status and JSON object say the same; returns the error of the object."""
        done = self.run_salvor(*words, **environment)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertRegex(done.stderr, regex)
        self.assertTrue(done.stderr.startswith("salvor: "))
        self.assertEqual(done.stderr.count("\n"), 1)
        as_json = self.run_salvor(*words, "--json", **environment)
        self.assertEqual(as_json.returncode, status)
        self.assertEqual(as_json.stdout.count("\n"), 1)
        error = json.loads(as_json.stdout)["error"]
        self.assertEqual(set(error), {"code", "object", "message"})
        self.assertEqual(error["code"], code)
        self.assertRegex(error["message"], regex)
        return error
