#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists the points of a repository, or makes each stream of one a file. Damage ends in one sentence and exit status 4.

The best introduction to the format is format1.py beside this file, together with docs/format.md.
"""
import argparse
import re
import sys
import time
from pathlib import Path

from format1 import Repository, material_of_key_file, material_of_passphrase, names
from primitives import Damage, check, reading


def list_points(repository):
    for name in names(repository.folder, "c", "[0-9a-f]{32}"):
        point = repository.read_point(bytes.fromhex(name))
        if point:
            when = time.strftime("%FT%TZ", time.gmtime(point.cut_ns // 10**9))
            print(name, point.id.hex(), when, point.workload, *(stream.name for stream in point.streams))


def restore_point(repository, session, folder):
    """Makes each stream a file."""
    point = repository.read_point(session) or sys.exit("this session has made no point")
    with reading(f"c/{session.hex()}"):
        check(repository.lists(session)[1] == point.lists, "its session has other lists")
        check(all(re.fullmatch("[A-Za-z0-9_][A-Za-z0-9._-]*", stream.name) for stream in point.streams), "no name of a file")
    for stream, place in zip(point.streams, point.places):
        part = folder / f"{stream.name}.part"
        repository.restore(point, stream, place, part)
        part.rename(folder / stream.name)


def main():
    parser = argparse.ArgumentParser(description="Lists the points of a repository, or restores the one of a session.")
    parser.add_argument("repository", type=Path)
    opener = parser.add_mutually_exclusive_group(required=True)
    opener.add_argument("--key", type=Path, help="a key file")
    opener.add_argument("--passphrase", type=Path, help="a file with the passphrase")
    parser.add_argument("--restore", nargs=2, metavar=("SESSION", "FOLDER"))
    args = parser.parse_args()
    try:
        material = material_of_key_file(args.key) if args.key else material_of_passphrase(args.repository, args.passphrase)
        repository = Repository(args.repository, material)
        if args.restore:
            restore_point(repository, bytes.fromhex(args.restore[0]), Path(args.restore[1]))
        else:
            list_points(repository)
    except Damage as damage:
        print(damage, file=sys.stderr)
        sys.exit(4)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
