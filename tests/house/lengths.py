#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on functions, files and lines that are too long, and on files without their SPDX line.

usage: lengths.py [ROOT]
"""
import os
import statistics
import sys

import tree

LICENSE = "SPDX-License-Identifier: Apache-2.0"
WITH_LICENSE = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")
FILE_MAX, FUNCTION_MAX, COLUMNS_MAX, TAB = 600, 80, 120, 8
MEDIAN_MAX, P90_MAX = 15, 50


def has_license(root, path):
    return any(LICENSE in line for line in tree.lines(root, path)[:2])


def is_script(root, path):
    with open(os.path.join(root, path), "rb") as file:
        return file.read(2) == b"#!"


def check_license(root):
    for path in tree.files(root):
        if (path.endswith(WITH_LICENSE) or is_script(root, path)) and not has_license(root, path):
            yield f"{path}: no line '{LICENSE}' on top"


def functions(root, path):
    """(line, length) of each function: the layout puts both its braces alone in the first column."""
    start = None
    for number, line in enumerate(tree.lines(root, path), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = None


def check_functions(root):
    lengths = []
    for path in tree.c_files(root):
        for line, length in functions(root, path):
            if not path.startswith("tests/"):
                lengths.append(length)
            if length > FUNCTION_MAX:
                yield f"{path}:{line}: a function of {length} lines, more than {FUNCTION_MAX}"
    if len(lengths) < 2:
        return
    median, p90 = statistics.median(lengths), statistics.quantiles(lengths, n=10)[8]
    print(f"{len(lengths)} functions: median {median:.0f} lines, nine of ten at most {p90:.0f}")
    if median > MEDIAN_MAX or p90 > P90_MAX:
        yield f"functions have grown: the median should be at most {MEDIAN_MAX}, nine of ten at most {P90_MAX}"


def check_files(root):
    for path in tree.c_files(root):
        lines = tree.lines(root, path)
        if len(lines) > FILE_MAX:
            yield f"{path}: {len(lines)} lines, more than {FILE_MAX}"
        for number, line in enumerate(lines, 1):
            if len(line.expandtabs(TAB)) > COLUMNS_MAX:
                yield f"{path}:{number}: wider than {COLUMNS_MAX} columns"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    tree.report([*check_license(root), *check_functions(root), *check_files(root)])


if __name__ == "__main__":
    main()
