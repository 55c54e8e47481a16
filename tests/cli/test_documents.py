#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command, its help, its manual pages and its completion know the same verbs and options."""
import os
import re
import shutil
import subprocess
import unittest

BIN = os.environ["SALVOR_BIN"]
VMM = os.path.join(os.path.dirname(BIN), "salvor-vmm")
SHARE = os.path.join(os.environ["SALVOR_BUILD"], "share")
MAN = os.path.join(SHARE, "man", "man1")
MAN8 = os.path.join(SHARE, "man", "man8")
COMPLETION = os.path.join(SHARE, "bash-completion", "completions", "salvor")


def run(*words, program=BIN):
    return subprocess.run([program, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def helped_verbs():
    section = run("--help").stdout.split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in section.splitlines()]


def options_in_help(text):
    """As the lines of the section Options begin."""
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE))


def helped_options(*words):
    return options_in_help(run("help", *words).stdout)


def read(*names):
    with open(os.path.join(*names), encoding="utf-8") as file:
        return file.read()


def man_page(*verb):
    return read(MAN, "-".join(["salvor", *verb]) + ".1")


def options_in_page(text):
    return {"--" + name for name in re.findall(r"^\.It .*Fl \\-([\w-]+)", text, re.MULTILINE)}


def man_options(*verb):
    return options_in_page(man_page(*verb))


def completed(*words):
    script = f'source "{COMPLETION}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _salvor; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script, "bash", "salvor", *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


class Documents(unittest.TestCase):
    def test_verbs(self):
        verbs = helped_verbs()
        self.assertGreaterEqual(len(verbs), 10)
        self.assertEqual(completed(""), set(verbs))
        self.assertEqual(completed("-"), helped_options() | {"-v", "-q", "-h"})
        self.assertEqual(set(re.findall(r"^\.It Cm (\w+)", man_page(), re.MULTILINE)), set(verbs))
        pages = {f"salvor-{verb}.1" for verb in verbs} | {"salvor.1"}
        self.assertEqual(set(os.listdir(MAN)), pages)

    def test_options(self):
        self.assertEqual(man_options(), helped_options())
        for verb in helped_verbs():
            own = helped_options(verb)
            self.assertEqual(man_options(verb), own)
            self.assertEqual({word for word in completed(verb, "--")}, own | helped_options())

    def test_options_are_understood(self):
        for verb in helped_verbs():
            for option in helped_options(verb) | helped_options():
                self.assertNotIn("unknown option", run(verb, option).stderr)
            self.assertEqual(run(verb, "--no-such-option").returncode, 2)

    def test_help_in_three_ways(self):
        for verb in helped_verbs():
            text = run("help", verb).stdout
            self.assertTrue(text.startswith(f"salvor {verb} - "))
            self.assertIn("\nExamples:\n", text)
            self.assertIn("\nExit status:\n", text)
            self.assertEqual(run(verb, "--help").stdout, text)
            self.assertEqual(run("--help", verb).stdout, text)
            self.check_width(text)

    def check_width(self, text):
        self.assertLessEqual(max(map(len, re.sub(r"(?m)^      .*", "", text).splitlines())), 80)

    def test_salvor_vmm(self):
        text, page = run("--help", program=VMM).stdout, read(MAN8, "salvor-vmm.8")
        self.assertEqual(os.listdir(MAN8), ["salvor-vmm.8"])
        self.assertTrue(text.startswith("salvor-vmm - "))
        self.check_width(text)
        self.assertLessEqual({"--config", "--control", "--uid", "--no-jail"}, options_in_help(text))
        self.assertEqual(options_in_page(page), options_in_help(text))
        for option in options_in_help(text):
            self.assertNotIn("unknown option", run(option, program=VMM).stderr)
        for section in "Orders", "Files", "Examples", "Exit status":
            self.assertIn(f"\n{section}:\n", text)
            self.assertIn(f"\n.Sh {section.upper()}\n", page)
        orders = re.findall(r"^  ([\w-]+)\n", text.split("\nOrders:\n")[1].split("\n\n")[0], re.MULTILINE)
        self.assertEqual(re.findall(r"^\.It Cm ([\w-]+)", page, re.MULTILINE), orders)
        self.assertRegex(man_page("vm"), r"\n\.Xr salvor-vmm 8\n")
        for words, wrong in ((["--no-such-option"], "unknown option"), (["--uid", "root"], "--uid 'root' is not a number"),
                             (["--config", "x"], "--control SOCKET are needed"),
                             (["--config", "x", "--control", ""], "--control needs a SOCKET that is not empty")):
            done = run(*words, program=VMM)
            self.assertEqual(done.returncode, 2)
            self.assertIn(wrong, done.stderr)

    def test_who_asks_for_help_gets_it(self):
        for words, program in ((["--uid", "root", "--help"], VMM), (["--no-such-option", "--help"], VMM), (["backup", "--no-such-option", "--help"], BIN)):
            done = run(*words, program=program)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("\nOptions:\n", done.stdout)

    def test_values(self):
        self.assertEqual(completed("restore", "--format", ""), {"raw", "qcow2"})
        self.assertEqual(completed("boot", "--accel", "k"), {"kvm"})
        self.assertEqual(completed("key", ""), {"add", "list"})

    def test_examples_can_be_copied(self):
        renderers = [words for words in (["mandoc", "-T", "utf8"], ["groff", "-K", "utf8", "-m", "mdoc", "-T", "utf8"]) if shutil.which(words[0])]
        if not renderers:
            self.skipTest("neither 'mandoc' nor 'groff' is installed")
        helps = {os.path.join(MAN, f"salvor-{verb}.1"): run("help", verb).stdout for verb in helped_verbs()}
        helps[os.path.join(MAN8, "salvor-vmm.8")] = run("--help", program=VMM).stdout
        for page, text in helps.items():
            commands = re.findall(r"^      (\S.*)$", text.split("\nExamples:\n")[1].split("\n\n")[0], re.MULTILINE)
            self.assertNotEqual(commands, [])
            for words in renderers:
                rendered = subprocess.run([*words, page], capture_output=True, text=True, check=True).stdout
                lines = [line.strip() for line in rendered.splitlines()]
                for command in commands:
                    self.assertIn(command, lines, f"{words[0]} {page}")

    def test_lint(self):
        if not shutil.which("mandoc"):
            self.skipTest("the program 'mandoc' is not installed")
        for name in [os.path.join(folder, name) for folder in (MAN, MAN8) for name in os.listdir(folder)]:
            done = subprocess.run(["mandoc", "-T", "lint", name], capture_output=True, text=True, check=False)
            # The pages refer to each other, and are not installed yet.
            complaints = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
            self.assertEqual(complaints, [])


if __name__ == "__main__":
    unittest.main()
