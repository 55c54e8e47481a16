#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on a source that the build in $SALVOR_BUILD does not compile, and on a scenario that is no test."""
import json
import os

import tree


def compiled(root, build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        return {os.path.relpath(os.path.realpath(entry["file"]), root) for entry in json.load(file)}


def check_sources(root, build):
    known = compiled(root, build)
    # The guests' programs are compiled for the guest, by the script beside them.
    guests = ("tests/guest/", "tests/thin/")
    sources = [path for path in tree.c_files(root) if path.endswith(".c") and not path.startswith(guests)]
    return [f"{path}: in no CMakeLists.txt" for path in sources if path not in known]


def check_scenarios(root):
    listed = "\n".join(tree.lines(root, "tests/CMakeLists.txt"))
    scenarios = [path for path in tree.files(root, ("tests/e2e",)) if path.endswith(".sh") and "/" in path]
    return [f"{path}: not in tests/CMakeLists.txt" for path in scenarios if os.path.relpath(path, "tests") not in listed]


def main():
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    tree.report(check_sources(root, os.environ["SALVOR_BUILD"]) + check_scenarios(root))


if __name__ == "__main__":
    main()
