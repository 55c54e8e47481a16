#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an include or a link line that the table of rooms in ARCHITECTURE.md does not allow.

usage: layers.py [ROOT [ARCHITECTURE]]

The table is read where it is written for people: rows `| base/ | ... |` under a header with the columns "may include" and
"foreign libraries". This file only says by which headers and pkg-config modules a foreign library is known.
"""
import os
import re
import sys

import tree

# foreign library: (its headers, its pkg-config modules)
FOREIGN = {
    "jansson": (r"jansson\.h", {"jansson"}),
    "libconfuse": (r"confuse\.h", {"libconfuse"}),
    "zstd": (r"(zstd|zstd_errors|zdict)\.h", {"libzstd"}),
    "OpenSSL": (r"openssl/.*", {"libcrypto"}),
    "libvirt": (r"libvirt/.*", {"libvirt", "libvirt-qemu"}),
    "libxml2": (r"libxml/.*", {"libxml-2.0"}),
    "libcurl": (r"curl/curl\.h", {"libcurl"}),
    "libnbd": (r"libnbd\.h", {"libnbd"}),
    "libpng": (r"png\.h", {"libpng"}),
    "KVM": (r"linux/kvm\.h", set()),
    "nbdkit": (r"nbdkit-(plugin|filter|common|version)\.h", {"nbdkit"}),
    "popt": (r"popt\.h", {"popt"}),
    "cmocka": (r"cmocka\.h", {"cmocka"}),
}

# The C library's and the kernel's headers, which every room may include.
SYSTEM = re.compile(
    r"(sys|linux|net|netinet|arpa|asm)/.*|"
    r"(assert|complex|ctype|dirent|dlfcn|elf|endian|err|errno|fcntl|fenv|float|fnmatch|ftw|getopt|glob|grp|iconv|ifaddrs|"
    r"inttypes|langinfo|libgen|limits|link|locale|malloc|math|memory|mntent|netdb|poll|pthread|pty|pwd|regex|sched|search|"
    r"semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|"
    r"strings|sysexits|syslog|termios|threads|time|uchar|ucontext|unistd|utime|wait|wchar|wctype|wordexp)\.h"
)

# What a link line may say besides rooms and declared libraries; m, pthread and dl are the C library's.
LINKABLE = {"PUBLIC", "PRIVATE", "INTERFACE", "Threads::Threads", "m", "pthread", "dl"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def column(header, word):
    for index, cell in enumerate(header):
        if word in cell.lower():
            return index
    sys.exit(f"ARCHITECTURE.md: the table of rooms has no column '{word}'")


def read_table(path):
    """{room: (rooms it may include, {foreign library it may include: the one folder of it that may, or ""})}"""
    rooms, header = {}, None
    with open(path, encoding="utf-8") as file:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in file if line.startswith("|")]
    for row in rows:
        if row[0] == "room":
            header = (column(row, "may include"), column(row, "foreign"))
        name = re.fullmatch(r"`?(\w+)/`?", row[0])
        if not header or not name or len(row) <= max(header):
            continue
        known = {}
        for part in row[header[1]].split(";"):
            folder = re.match(r"\s*in `(\w+/)` ", part)
            words = {word.lower().removeprefix("lib") for word in re.findall(r"\w+", part)}
            known |= {foreign: folder[1] if folder else "" for foreign in FOREIGN if foreign.lower().removeprefix("lib") in words}
        above = set(tree.ROOMS) if row[header[0]] == "all" else set(re.findall(r"\w+", row[header[0]])) & set(tree.ROOMS)
        rooms[name[1]] = (above, known)
    if not set(tree.ROOMS) <= set(rooms):
        sys.exit(f"ARCHITECTURE.md: no row for {', '.join(sorted(set(tree.ROOMS) - set(rooms)))} in the table of rooms")
    return rooms


def check_include(where, room, kind, header, table):
    may_include, may_use = table[room]
    owner = header.split("/")[0]
    if kind == "<":
        foreign = next((name for name, (pattern, _) in FOREIGN.items() if re.fullmatch(pattern, header)), None)
        if foreign and foreign not in may_use:
            return f"{where}: {room}/ may not use {foreign} (<{header}>)"
        folder = f"{room}/{may_use.get(foreign, '')}"
        if foreign and not where.startswith(folder):
            return f"{where}: only {folder} may use {foreign} (<{header}>)"
        if not foreign and not SYSTEM.fullmatch(header):
            return f"{where}: <{header}> is of no library that tests/house/layers.py knows"
    elif owner not in table:
        return f'{where}: "{header}" does not carry its room'
    elif owner != room and owner not in may_include:
        return f'{where}: {room}/ may not include {owner}/ ("{header}")'
    elif room not in (owner, "tests") and header.endswith("_internal.h"):
        return f'{where}: "{header}" is for {owner}/ alone'
    return None


def check_includes(root, table):
    for room in table:
        for path in tree.c_files(root, (room,)):
            if not path.startswith(room + "/"):
                continue
            for number, line in enumerate(tree.lines(root, path), 1):
                include = INCLUDE.match(line)
                if include:
                    yield check_include(f"{path}:{number}", room, include[1], include[2], table)


def commands(root, path):
    """(line, name, arguments) of each command of a CMake file."""
    text = "\n".join(line.split("#")[0] for line in tree.lines(root, path))
    for command in re.finditer(r"(\w+)\s*\(([^()]*)\)", text):
        yield text.count("\n", 0, command.start()) + 1, command[1], command[2].split()


def check_link(room, library, declared, may_include):
    other = re.fullmatch(r"salvor_(\w+)", library)
    if other and other[1] in tree.ROOMS:
        return None if other[1] == room or other[1] in may_include else f"{room}/ may not link {other[1]}/"
    module = re.fullmatch(r"PkgConfig::(\S+)", library)
    if module:
        return None if module[1] in declared else f"{library} is not declared in this file"
    return None if library in LINKABLE | declared else f"{library} is no room and no declared library"


def check_links(root, table):
    parts = {room: set() for room in tree.ROOMS}  # libraries of a room that another part of it may link
    for path in tree.files(root, tree.ROOMS):
        room = path.split("/")[0]
        if room not in tree.ROOMS or os.path.basename(path) != "CMakeLists.txt":
            continue
        may_include, may_use = table[room]
        modules = set().union(*(FOREIGN[name][1] for name in may_use))
        declared = set()
        for line, command, arguments in commands(root, path):
            if command == "pkg_check_modules":
                declared.add(arguments[0])
                wrong = set(arguments[1:]) - modules - {"REQUIRED", "IMPORTED_TARGET"}
                yield from (f"{path}:{line}: {room}/ may not use {module}" for module in sorted(wrong))
            if command == "add_library":
                parts[room].add(arguments[0])
            if command == "target_link_libraries":
                found = (check_link(room, library, declared | parts[room], may_include) for library in arguments[1:])
                yield from (f"{path}:{line}: {complaint}" for complaint in found if complaint)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    table = read_table(sys.argv[2] if len(sys.argv) > 2 else os.path.join(root, "ARCHITECTURE.md"))
    complaints = [*check_includes(root, table), *check_links(root, table)]
    tree.report([complaint for complaint in complaints if complaint])


if __name__ == "__main__":
    main()
