#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on a source or a test that lies in the tree and is built or run by nobody.

usage: registered.py [ROOT]
"""
import os
import re
import sys

import tree


def listed_in(root, path):
    """Every word of a CMakeLists.txt, taken as a path beside it."""
    text = "\n".join(line.split("#")[0] for line in tree.lines(root, path))
    return {os.path.normpath(os.path.join(os.path.dirname(path), word)) for word in re.findall(r"[\w./-]+", text)}


def check_room(root, room):
    lists = os.path.join(room, "CMakeLists.txt")
    listed = listed_in(root, lists)
    for path in tree.c_files(root, (room,)):
        if path.startswith(room + "/") and path.endswith(".c") and path not in listed:
            yield f"{path}: not in {lists}"


def check_tests(root):
    paths = tree.files(root, ("tests",))
    listed = set().union(*(listed_in(root, path) for path in paths if re.fullmatch(r"tests/(.*/)?CMakeLists.txt", path)))
    for path in paths:
        is_test = re.fullmatch(r"tests/(.*/test_\w+\.c|e2e/[^/]+\.sh)", path)
        fuzzed = re.sub(r"/fuzz_(\w+)\.c$", r"/\1", path)
        if (is_test and path not in listed) or (fuzzed != path and fuzzed not in listed):
            yield f"{path}: in no CMakeLists.txt of tests/"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    complaints = [complaint for room in tree.ROOMS for complaint in check_room(root, room)]
    tree.report(complaints + list(check_tests(root)))


if __name__ == "__main__":
    main()
