#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over every source that the build in $SALVOR_BUILD compiles, on all processors, and fails on findings."""
import concurrent.futures
import json
import os
import subprocess
import sys

import tree


def compiled(root, build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        paths = {os.path.relpath(entry["file"], root) for entry in json.load(file)}
    return sorted(path for path in paths if path.split(os.sep)[0] in tree.ROOMS + ("tests",))


def tidy(root, build, path):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", build, path], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main():
    root = os.environ.get("SALVOR_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
    build = os.environ["SALVOR_BUILD"]
    paths = sys.argv[1:] or compiled(root, build)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, (outcome, output) in zip(paths, pool.map(lambda path: tidy(root, build, path), paths)):
            if outcome != 0:
                failed.append(path)
                print(output)
    print(f"{len(paths)} sources, {len(failed)} with findings")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
