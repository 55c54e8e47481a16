#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""layers.py finds what is wrong, in a small house that is."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = """
| room | what lives there | may include | foreign libraries it may include |
|---|---|---|---|
| `base/` | errors | nothing | jansson, libconfuse |
| `storage/` | packs | base | zstd, OpenSSL; in `s3/` libcurl and libxml2 |
| `hypervisor/` | engines | base | libvirt, libxml2, libnbd |
| `agent/` | protecting | base, storage, hypervisor, restore | – |
| `restore/` | bringing back | base, storage, hypervisor | nbdkit plugin API, libnbd |
| `cli/` | the command | all | popt |
| `tests/` | tests | all | cmocka |
"""


class Layers(unittest.TestCase):
    def run_on(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            for name, body in (("ARCHITECTURE.md", TABLE), (path, text)):
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(body)
            done = subprocess.run([sys.executable, os.path.join(HERE, "layers.py"), root], capture_output=True, text=True)
            return done.returncode, done.stdout.strip()

    def assert_wrong(self, path, text, complaint):
        self.assertEqual(self.run_on(path, text), (1, complaint))

    def test_right(self):
        right = '#include <errno.h>\n#include <zstd.h>\n#include "base/err.h"\n#include "storage/pack_internal.h"\n'
        self.assertEqual(self.run_on("storage/pack.c", right), (0, ""))

    def test_upward_include(self):
        self.assert_wrong("base/err.c", '#include "storage/pack.h"\n',
                          'base/err.c:1: base/ may not include storage/ ("storage/pack.h")')

    def test_pillars_do_not_meet(self):
        self.assert_wrong("hypervisor/engine.c", '\n#include "storage/pack.h"\n',
                          'hypervisor/engine.c:2: hypervisor/ may not include storage/ ("storage/pack.h")')

    def test_foreign_header(self):
        self.assert_wrong("cli/main.c", "#include <libvirt/libvirt.h>\n",
                          "cli/main.c:1: cli/ may not use libvirt (<libvirt/libvirt.h>)")

    def test_one_folder_only(self):
        self.assertEqual(self.run_on("storage/s3/http.c", "#include <curl/curl.h>\n"), (0, ""))
        self.assert_wrong("storage/pack.c", "#include <curl/curl.h>\n",
                          "storage/pack.c:1: only storage/s3/ may use libcurl (<curl/curl.h>)")

    def test_unknown_header(self):
        self.assert_wrong("base/x.c", "#include <glib.h>\n",
                          "base/x.c:1: <glib.h> is of no library that tests/house/layers.py knows")

    def test_other_rooms_secret(self):
        self.assert_wrong("agent/x.c", '#include "storage/pack_internal.h"\n',
                          'agent/x.c:1: "storage/pack_internal.h" is for storage/ alone')

    def test_tests_know_secrets(self):
        self.assertEqual(self.run_on("tests/storage/test_pack.c", '#include "storage/pack_internal.h"\n'), (0, ""))

    def test_include_without_room(self):
        self.assert_wrong("base/x.c", '#include "err.h"\n', 'base/x.c:1: "err.h" does not carry its room')

    def test_link_of_room(self):
        self.assert_wrong("storage/CMakeLists.txt", "target_link_libraries(salvor_storage PRIVATE salvor_agent)\n",
                          "storage/CMakeLists.txt:1: storage/ may not link agent/")

    def test_right_links(self):
        right = ("pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)\n"
                 "target_link_libraries(salvor_storage PUBLIC salvor_base PRIVATE PkgConfig::zstd)\n")
        self.assertEqual(self.run_on("storage/CMakeLists.txt", right), (0, ""))

    def test_part_of_a_room(self):
        right = ("add_library(salvor_verbs STATIC help.c)\n"
                 "target_link_libraries(salvor_verbs PUBLIC salvor_base)\n"
                 "target_link_libraries(salvor PRIVATE salvor_verbs salvor_agent)\n")
        self.assertEqual(self.run_on("cli/CMakeLists.txt", right), (0, ""))

    def test_part_of_another_room(self):
        self.assert_wrong("storage/CMakeLists.txt", "target_link_libraries(salvor_storage PRIVATE salvor_verbs)\n",
                          "storage/CMakeLists.txt:1: salvor_verbs is no room and no declared library")

    def test_foreign_module(self):
        self.assert_wrong("agent/CMakeLists.txt", "\npkg_check_modules(vir REQUIRED IMPORTED_TARGET libvirt)\n",
                          "agent/CMakeLists.txt:2: agent/ may not use libvirt")

    def test_module_of_another_room(self):
        self.assert_wrong("agent/CMakeLists.txt", "target_link_libraries(salvor_agent\n\tPRIVATE PkgConfig::libvirt)\n",
                          "agent/CMakeLists.txt:1: PkgConfig::libvirt is not declared in this file")

    def test_library_by_name(self):
        self.assert_wrong("agent/CMakeLists.txt", "target_link_libraries(salvor_agent PRIVATE zstd)\n",
                          "agent/CMakeLists.txt:1: zstd is no room and no declared library")


if __name__ == "__main__":
    unittest.main()
