#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on a source or a test that lies in the tree and is built or run by nobody.

usage: registered.py [ROOT]
"""
import os
import re
import sys

import tree


def words(root, *paths):
    text = "\n".join(line.split("#")[0] for path in paths for line in tree.lines(root, path))
    return set(re.findall(r"[\w./-]+", text))


def check_room(root, room):
    lists = os.path.join(room, "CMakeLists.txt")
    listed = words(root, lists)
    for path in tree.c_files(root, (room,)):
        inside = os.path.relpath(path, room)
        if inside.startswith("..") or inside in listed:
            continue
        if path.endswith(".c"):
            yield f"{path}: not in {lists}"


def check_tests(root):
    listed = words(root, "tests/CMakeLists.txt", "tests/fuzz/CMakeLists.txt")
    for path in tree.files(root, ("tests",)):
        inside = os.path.relpath(path, "tests")
        fuzzed = re.fullmatch(r"fuzz/fuzz_(\w+)\.c", inside)
        if fuzzed and fuzzed[1] not in listed:
            yield f"{path}: not in tests/fuzz/CMakeLists.txt"
        if re.fullmatch(r"(.*/test_\w+\.c|e2e/[^/]+\.sh)", inside) and inside not in listed:
            yield f"{path}: not in tests/CMakeLists.txt"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    complaints = [complaint for room in tree.ROOMS for complaint in check_room(root, room)]
    tree.report(complaints + list(check_tests(root)))


if __name__ == "__main__":
    main()
