#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where clang-format would change something.

usage: format.py [ROOT]
"""
import os
import subprocess
import sys

import tree


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    command = ["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *tree.c_files(root)]
    sys.exit(subprocess.run(command, cwd=root, check=False).returncode)


if __name__ == "__main__":
    main()
