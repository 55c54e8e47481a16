# SPDX-License-Identifier: Apache-2.0
"""The files of the project that the house tests look at."""
import os
import sys

ROOMS = ("base", "storage", "hypervisor", "agent", "restore", "cli")
FOLDERS = ROOMS + ("tests", "cmake", "etc", ".ci")
SKIPPED = {"__pycache__", "corpus", "build"}


def files(root, folders=FOLDERS):
    """Paths relative to root, sorted."""
    found = []
    for folder in folders:
        for where, below, names in os.walk(os.path.join(root, folder)):
            below[:] = [name for name in below if name not in SKIPPED]
            found += [os.path.relpath(os.path.join(where, name), root) for name in names]
    found += [name for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))]
    return sorted(found)


def c_files(root, folders=FOLDERS):
    return [path for path in files(root, folders) if path.endswith((".c", ".h"))]


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def report(complaints):
    """Prints what is wrong, one a line, and ends the program."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
