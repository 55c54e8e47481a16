#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where clang-format would change something; with --fix, changes it.

usage: format.py [--fix]
"""
import os
import subprocess
import sys

import tree


def main():
    root = os.path.join(os.path.dirname(__file__), "..", "..")
    how = ["-i"] if sys.argv[1:] == ["--fix"] else ["--dry-run", "-Werror", "--ferror-limit=1"]
    sys.exit(subprocess.run(["clang-format", *how, *tree.c_files(root)], cwd=root, check=False).returncode)


if __name__ == "__main__":
    main()
