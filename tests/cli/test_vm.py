#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Machines of the thin hypervisor: their folders, and where this host has KVM, their processes."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from command import BIN, CommandTest

OFD_SETLK = 37
KVM_GET_API_VERSION = 0xAE00


def has_kvm():
    try:
        with open("/dev/kvm", "rb", buffering=0) as kvm:
            return fcntl.ioctl(kvm, KVM_GET_API_VERSION) == 12
    except OSError:
        return False


class Machines(CommandTest):
    def setUp(self):
        super().setUp()
        with open(self.path("disk.raw"), "wb") as file:
            file.truncate(1 << 20)

    def create(self, name="web01", *words):
        return self.succeed("vm", "create", name, "--disk", "disk.raw", *words)

    def machine(self, *names):
        return self.path("state", "machines", *names)

    def listed(self):
        return {machine["name"]: machine for machine in self.succeed("vm", "list")["machines"]}

    def test_create_list_delete(self):
        self.assertEqual(self.succeed("vm", "list"), {"machines": []})
        self.assertIn("There are no machines", self.run_salvor("vm", "list").stdout)
        self.assertEqual(self.create("web01", "--memory", "64M", "--vcpus", "2", "--tap", "tap0"), {"machine": "web01", "state": "stopped"})
        shutil.copy(self.path("disk.raw"), self.path("log.raw"))
        self.create("db", "--disk", "log=log.raw")
        self.assertEqual(list(self.listed()), ["db", "web01"])
        web = self.listed()["web01"]
        self.assertEqual((web["state"], web["pid"], web["memory"], web["vcpus"], web["point"]), ("stopped", None, 64 << 20, 2, None))
        self.assertEqual(web["disks"], [{"name": "vda", "path": self.path("disk.raw")}])
        self.assertEqual([disk["name"] for disk in self.listed()["db"]["disks"]], ["vda", "log"])
        self.assertEqual(os.stat(self.machine("web01")).st_mode & 0o777, 0o700)
        self.succeed("vm", "delete", "web01")
        self.assertFalse(os.path.exists(self.machine("web01")))
        self.assertTrue(os.path.exists(self.path("disk.raw")))
        self.assertEqual(list(self.listed()), ["db"])

    def test_paths_are_of_here(self):
        """Whoever starts the machine is elsewhere."""
        self.create("web01", "--passt", "passt.sock", "--passt", "/run/other.sock")
        with open(self.machine("web01", "vm.conf"), encoding="utf-8") as file:
            self.assertEqual(re.findall("passt = '(.*)'", file.read()), [self.path("passt.sock"), "/run/other.sock"])

    def test_users_differ(self):
        if os.geteuid() != 0:
            self.skipTest("only root's machines have users of their own")

        def uid(name):
            with open(self.machine(name, "uid"), encoding="ascii") as file:
                return int(file.read())
        for name in ("a", "b", "c"):
            self.create(name)
        self.assertEqual(len({uid("a"), uid("b"), uid("c")}), 3)
        was = uid("b")
        self.succeed("vm", "delete", "b")
        self.create("d")
        self.assertEqual(uid("d"), was)
        self.succeed("vm", "create", "a", "--disk", "disk.raw", SALVOR_STATE_DIR=self.path("other"))
        with open(self.path("other", "machines", "a", "uid"), encoding="ascii") as file:
            self.assertNotIn(int(file.read()), {uid("a"), uid("c"), uid("d")})

    def test_folders_of_others(self):
        """Whoever can write to a machine's folder would decide what is run, given away and removed."""
        self.create()
        for place in (self.machine(), self.machine("web01")):
            os.chmod(place, 0o770)
            self.fail_with(1, "denied", f"{place} belongs to user .* nobody else can write to: 'chmod go-w {place}'", "vm", "start", "web01")
            self.fail_with(1, "denied", f"{place} belongs", "vm", "delete", "web01")
            os.chmod(place, 0o700)
            if os.geteuid() == 0:
                os.chown(place, 65534, 65534)
                self.fail_with(1, "denied", f"{place} belongs to user 65534", "vm", "stop", "--force", "web01")
                os.chown(place, 0, 0)
        os.chmod(self.machine(), 0o777)
        self.fail_with(1, "denied", "belongs", "vm", "list")
        self.fail_with(1, "denied", "belongs", "vm", "create", "other", "--disk", "disk.raw")
        os.chmod(self.machine(), 0o700)
        os.rename(self.machine("web01"), self.machine("other"))
        os.symlink("other", self.machine("web01"))
        self.fail_with(1, "failed", "web01", "vm", "delete", "web01")
        self.assertTrue(os.path.exists(self.machine("other", "vm.conf")))

    def test_a_state_folder_of_others(self):
        """Whoever can write to it could put other machines in the place of ours."""
        self.create()
        state = self.path("state")
        orders = (("start", "web01"), ("delete", "web01"), ("list",), ("create", "other", "--disk", "disk.raw"))
        for mode in (0o770, 0o703, 0o1777):
            os.chmod(state, mode)
            for words in orders:
                self.fail_with(1, "denied", f"the folder {state} belongs to user .* mode {mode:04o}.*: 'chmod go-w {state}'", "vm", *words)
        os.chmod(state, 0o755)
        self.assertEqual(list(self.listed()), ["web01"])
        if os.geteuid() == 0:
            os.chown(state, 65534, 65534)
            for words in orders:
                self.fail_with(1, "denied", f"the folder {state} belongs to user 65534", "vm", *words)
            os.chown(state, 0, 0)
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o777)
        self.fail_with(1, "denied", "mode 0777", "vm", "create", "a", "--disk", "disk.raw", SALVOR_STATE_DIR=self.path("open"))
        self.assertEqual(os.listdir(self.path("open")), [])
        os.rename(state, self.path("moved"))
        os.symlink("moved", state)
        self.assertEqual(list(self.listed()), ["web01"])
        self.succeed("vm", "delete", "web01")

    def test_links_are_removed_and_not_followed(self):
        self.create()
        os.mkdir(self.path("elsewhere"))
        with open(self.path("elsewhere", "file"), "w", encoding="ascii") as file:
            file.write("stays")
        os.symlink(self.path("elsewhere"), self.machine("web01", "nbd"))
        self.succeed("vm", "delete", "web01")
        self.assertTrue(os.path.exists(self.path("elsewhere", "file")))
        self.assertFalse(os.path.exists(self.machine("web01")))

    def test_no_machine_of_root_is_root(self):
        if os.geteuid() != 0:
            self.skipTest("only root's machines have users of their own")
        self.create()
        for text in ("", "0\n", "1900000001 and more\n", "-1\n"):
            with open(self.machine("web01", "uid"), "w", encoding="ascii") as file:
                file.write(text)
            self.fail_with(1, "failed", "machine 'web01': .*/uid is missing or damaged", "vm", "start", "web01")
        os.remove(self.machine("web01", "uid"))
        self.fail_with(1, "failed", "machine 'web01': .*/uid is missing or damaged", "vm", "start", "web01")
        self.succeed("vm", "delete", "web01")

    def test_wrong_words(self):
        self.fail_with(2, "usage", "did you mean 'vm start'", "vm", "strat")
        self.fail_with(2, "usage", "create, start, stop, list, console and delete", "vm")
        for words in (("start",), ("start", "a", "b"), ("start", "a", "b", "c")):
            self.fail_with(2, "usage", "usage: salvor vm start NAME$", "vm", *words)
        self.fail_with(2, "usage", "usage: salvor vm create NAME --disk .*, or: salvor vm create NAME --from POINT$", "vm", "create")
        self.fail_with(2, "usage", "--tap needs an INTERFACE that is not empty", "vm", "create", "a", "--disk", "disk.raw", "--tap", "")
        self.fail_with(2, "usage", "usage: salvor vm list", "vm", "list", "x")
        self.fail_with(2, "usage", "'vm start' takes no --disk", "vm", "start", "a", "--disk", "x")
        self.fail_with(2, "usage", "'vm create' takes no --force", "vm", "create", "a", "--force")
        self.fail_with(2, "usage", "either --disk PATH or --from POINT", "vm", "create", "a")
        self.fail_with(2, "usage", "either --disk PATH or --from POINT", "vm", "create", "a", "--disk", "disk.raw", "--from", "b@latest")
        self.fail_with(2, "usage", "'a b' is no name", "vm", "create", "a b", "--disk", "disk.raw")
        self.fail_with(2, "usage", "is no name", "vm", "create", "../a", "--disk", "disk.raw")
        self.fail_with(2, "usage", "--memory '5'", "vm", "create", "a", "--disk", "disk.raw", "--memory", "5")
        for number in ("0", "17"):
            self.fail_with(2, "usage", f"--vcpus '{number}' is not a number from 1 to 16", "vm", "create", "a", "--disk", "disk.raw", "--vcpus", number)
        for tap in ("a" * 16, "a/b", "a b", "..", "a:1"):
            self.fail_with(2, "usage", "15 letters", "vm", "create", "a", "--disk", "disk.raw", "--tap", tap)
        self.fail_with(2, "usage", "107 bytes", "vm", "create", "a", "--disk", "disk.raw", "--passt", "/" + "a" * 107)
        self.fail_with(2, "usage", "control characters", "vm", "create", "a", "--disk", "disk.raw", "--passt", "a\nb")
        self.fail_with(1, "not-found", "no machine 'a' here", "vm", "start", "a")
        self.fail_with(2, "usage", "not the name of a machine", "vm", "delete", "..")
        self.assertEqual(self.listed(), {})
        self.assertFalse(os.path.exists(self.machine("a")))

    def test_wrong_images(self):
        self.fail_with(2, "usage", "none.raw: No such file", "vm", "create", "a", "--disk", "none.raw")
        with open(self.path("short"), "wb") as file:
            file.write(b"short")
        self.fail_with(2, "usage", "too short", "vm", "create", "a", "--disk", "short")
        with open(self.path("image.qcow2"), "wb") as file:
            file.write(b"QFI\xfb" + bytes(508))
        self.fail_with(2, "usage", "qemu-img convert", "vm", "create", "a", "--disk", "image.qcow2")
        self.fail_with(2, "usage", "neither an image nor a block device", "vm", "create", "a", "--disk", self.folder)
        os.truncate(self.path("disk.raw"), 1000)
        told = self.fail_with(2, "usage", "disk.raw has 1000 bytes, .*'truncate ", "vm", "create", "a", "--disk", "disk.raw")
        subprocess.run(re.search("'(truncate .*)'", told["message"])[1].split(), cwd=self.folder, check=True)
        self.create("a")

    def test_disks_differ(self):
        os.link(self.path("disk.raw"), self.path("link.raw"))
        shutil.copy(self.path("disk.raw"), self.path("copy.raw"))
        for other in ("disk.raw", "link.raw"):
            self.fail_with(2, "usage", "disks 'vda' and 'log' are one image: ", "vm", "create", "a", "--disk", "disk.raw", "--disk", "log=" + other)
        self.fail_with(2, "usage", "two disks are named 'vda'", "vm", "create", "a", "--disk", "vda=disk.raw", "--disk", "vda=copy.raw")
        self.create("a", "--disk", "copy.raw")

    def test_sockets_fit(self):
        """A machine that could not be spoken to is not made."""
        room = 107 - len(self.machine("") + "/control")
        self.create("a" * room)
        self.fail_with(2, "usage", "at most 107 bytes, .*/control: take a shorter name, or set SALVOR_STATE_DIR to a shorter folder",
                       "vm", "create", "a" * (room + 1), "--disk", "disk.raw")
        self.assertEqual(list(self.listed()), ["a" * room])

    def test_names_are_taken_once(self):
        self.create()
        self.fail_with(1, "exists", "a machine 'web01' already: 'salvor vm start web01' runs it", "vm", "create", "web01", "--disk", "disk.raw")

    def test_who_creates_waits_for_others(self):
        self.create()
        with open(self.machine(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen([BIN, "vm", "create", "db", "--disk", "disk.raw"], cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL)
            time.sleep(1)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(list(self.listed()), ["db", "web01"])

    def test_quotes_survive(self):
        odd = self.path("it's a ${HOME} \\ \"disk\".raw")
        os.rename(self.path("disk.raw"), odd)
        self.succeed("vm", "create", "odd", "--disk", odd)
        self.assertEqual(self.listed()["odd"]["disks"][0]["path"], odd)

    def test_a_wrong_file_is_told_and_hides_no_other(self):
        self.create("a")
        self.create("b")
        with open(self.machine("a", "vm.conf"), "a", encoding="ascii") as file:
            file.write("colour = blue\n")
        self.fail_with(2, "usage", r"vm.conf:\d+: .*colour", "vm", "start", "a")
        self.assertEqual(self.listed()["a"]["state"], "stopped")
        self.assertIn("colour", self.listed()["a"]["reason"])
        self.assertEqual(self.listed()["b"]["state"], "stopped")
        os.chmod(self.machine("b"), 0o777)
        self.assertEqual((self.listed()["b"]["state"], self.listed()["b"]["pid"]), ("unknown", None))
        self.assertIn("nobody else can write to", self.listed()["b"]["reason"])
        self.succeed("vm", "delete", "a")
        os.mkdir(self.machine("b", "lock"))
        os.chmod(self.machine("b"), 0o700)
        self.create("c")
        self.assertEqual({name: machine["state"] for name, machine in self.listed().items()}, {"b": "unknown", "c": "stopped"})
        self.assertIn("b/lock: Is a directory", self.listed()["b"]["reason"])

    def test_what_runs_is_known_by_its_lock(self):
        self.create()
        with open(self.machine("web01", "lock"), "w", encoding="ascii") as lock:
            fcntl.fcntl(lock, OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            self.assertEqual(self.listed()["web01"]["state"], "silent")
            self.fail_with(1, "busy", "runs: 'salvor vm stop web01' first", "vm", "delete", "web01")
            self.fail_with(1, "busy", "machine 'web01' runs, and nobody listens", "vm", "start", "web01")
            # A recycled number is not taken for the machine: nobody is killed.
            other = subprocess.Popen(["sleep", "1000"])
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            with open(self.machine("web01", "pid"), "w", encoding="ascii") as file:
                file.write(f"{other.pid} 1 00000000-0000-0000-0000-000000000000\n")
            self.fail_with(1, "busy", "machine 'web01' runs, but its file pid does not say as which process", "vm", "stop", "--force", "--timeout", "1",
                           "web01")
            self.assertIsNone(other.poll())
        self.fail_with(1, "not-found", "does not run", "vm", "stop", "web01")

    @contextlib.contextmanager
    def answering(self, answer):
        """While its folder is one of a machine that runs, and gives this answer to every order."""
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client = control.accept()[0]
                    with client, contextlib.suppress(OSError):
                        answer(client)
        with open(self.machine("web01", "lock"), "w", encoding="ascii") as lock, socket.socket(socket.AF_UNIX) as control:
            fcntl.fcntl(lock, OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            control.bind(self.machine("web01", "control"))
            control.listen()
            server = threading.Thread(target=serve)
            server.start()
            try:
                yield
            finally:
                control.shutdown(socket.SHUT_RDWR)
                server.join()
        os.remove(self.machine("web01", "control"))

    def test_answers_that_say_nothing(self):
        def say_nothing(client):
            client.recv(4096)
            client.sendall(b"{}\n")

        def never_end(client):
            while True:
                client.sendall(b" ")
                time.sleep(0.05)
        self.create()
        with self.answering(say_nothing):
            self.fail_with(1, "busy", "machine 'web01': its answer does not say how it is", "vm", "stop", "--timeout", "0", "web01")
        with self.answering(never_end):
            self.assertIn("does not answer", self.listed()["web01"]["reason"])

    def test_from_a_point(self):
        environment = {"SALVOR_REPO": self.path("repository"), "SALVOR_PASSPHRASE": "x"}
        self.succeed("init", "--no-recovery-key", **environment)
        point = self.succeed("backup", "web", "--disk", "disk.raw", **environment)["point"]
        self.fail_with(2, "usage", "which repository", "vm", "create", "a", "--from", "web@latest")
        self.fail_with(1, "not-found", "web", "vm", "create", "a", "--from", "wub@latest", **environment)
        self.succeed("vm", "create", "web01", "--from", "web@latest", **environment)
        machine = self.listed()["web01"]
        self.assertEqual((machine["point"], machine["disks"][0]["name"]), (point, "vda"))
        self.assertTrue(machine["disks"][0]["path"].endswith("/web01/vda.overlay"))
        self.delete_what_was_written(environment)
        self.remember_repository(environment)
        environment["PATH"] = self.path("programs") + ":" + os.environ["PATH"]
        os.mkdir(self.path("programs"))
        self.interrupt_start(environment)
        if has_kvm():
            self.run_point(environment)

    def remember_repository(self, environment):
        """Where none is named it is the one of create; with a wrong passphrase, so that nothing starts."""
        place, wrong = environment["SALVOR_REPO"], {"SALVOR_PASSPHRASE": "wrong"}
        self.assertEqual(self.listed()["web01"]["repository"], place)
        self.fail_with(1, "denied", f"machine 'web01': .*{place}", "vm", "start", "web01", **wrong)
        with open(self.path("salvor.conf"), "w", encoding="utf-8") as file:
            file.write("repo = '/none'\n")
        self.fail_with(1, "denied", f"machine 'web01': .*{place}", "vm", "start", "web01", SALVOR_CONFIG=self.path("salvor.conf"), **wrong)
        other = environment | {"SALVOR_REPO": self.path("other")}
        self.succeed("init", "--no-recovery-key", **other)
        self.fail_with(1, "not-found", rf"machine 'web01' is of web@\S+ \(point [0-9a-f]+\), which the repository {self.path('other')} does not have; "
                       f"it was made from {place},", "vm", "start", "web01", **other)
        self.fail_with(1, "not-found", "machine 'web01' .*/other", "vm", "start", "web01", "--repo", self.path("other"), **environment)
        os.remove(self.machine("web01", "repository"))
        self.fail_with(2, "usage", "machine 'web01': which repository", "vm", "start", "web01")
        with open(self.machine("web01", "repository"), "w", encoding="utf-8") as file:
            file.write(place + "\n")
        self.assertEqual(self.listed()["web01"]["state"], "stopped")

    def write_overlay(self, name, blocks):
        """As docs/vm.md has it, over a disk of 1 MiB: so many of its blocks were written."""
        header = b"SLVROVLY" + struct.pack("<IIQ", 1, 4096, 1 << 20) + b"\x03\0vda\0\0"
        with open(self.machine(name, "vda.overlay"), "wb") as file:
            file.write(header.ljust(4096, b"\0") + ((1 << blocks) - 1).to_bytes(4096, "little"))
            file.truncate(65536 + (1 << 20))

    def delete_what_was_written(self, environment):
        """It is nowhere else, so it is not removed by the way."""
        for damage, code, words in ((b"", "exists", "machine 'web' has 12 KiB that its guest wrote and that are nowhere else"),
                                    (b"!", "failed", "machine 'web': what its guest wrote cannot be read: overlay .*/vda.overlay")):
            self.succeed("vm", "create", "web", "--from", "web@latest", **environment)
            self.write_overlay("web", 3)
            with open(self.machine("web", "vda.overlay"), "r+b") as file:
                file.write(damage)
            self.fail_with(1, code, words + ".* 'salvor vm delete --force web' removes", "vm", "delete", "web")
            self.assertIn("web", self.listed())
            self.succeed("vm", "delete", "--force", "web")
            self.assertFalse(os.path.exists(self.machine("web")))
        self.succeed("vm", "create", "web", "--from", "web@latest", **environment)
        self.write_overlay("web", 0)
        self.succeed("vm", "delete", "web")

    def test_delete_keeps_what_is_nowhere_else(self):
        """Whatever its name is: vm.conf may name an overlay as it likes, and images may lie in the folder."""
        self.create()
        self.write_overlay("web01", 3)
        os.rename(self.machine("web01", "vda.overlay"), self.machine("web01", "root.img"))
        self.fail_with(1, "exists", "machine 'web01' has 12 KiB that its guest wrote", "vm", "delete", "web01")
        self.write_overlay("web01", 0)
        os.rename(self.machine("web01", "vda.overlay"), self.machine("web01", "root.img"))
        os.rename(self.path("disk.raw"), self.machine("web01", "disk.raw"))
        place = self.machine("web01", "disk.raw")
        self.fail_with(1, "exists", f"machine 'web01' has a file {place} that salvor did not make: .*'salvor vm delete --force web01' removes it",
                       "vm", "delete", "web01")
        self.assertTrue(os.path.exists(place))
        self.assertEqual(list(self.listed()), ["web01"])
        os.rename(place, self.path("disk.raw"))
        self.succeed("vm", "delete", "web01")
        self.create()
        shutil.copy(self.path("disk.raw"), place)
        self.succeed("vm", "delete", "--force", "web01")
        self.assertFalse(os.path.exists(self.machine("web01")))

    def test_remains_do_not_become_anothers(self):
        """A machine that has lost its vm.conf leaves its folder, and what its guest wrote."""
        self.create()
        os.remove(self.machine("web01", "vm.conf"))
        self.write_overlay("web01", 3)
        self.fail_with(1, "exists", "machine 'web01' has 12 KiB that its guest wrote .*'salvor vm delete --force web01'",
                       "vm", "create", "web01", "--disk", "disk.raw")
        self.fail_with(1, "exists", "12 KiB", "vm", "delete", "web01")
        self.succeed("vm", "delete", "--force", "web01")
        self.assertFalse(os.path.exists(self.machine("web01")))
        self.fail_with(1, "not-found", "no machine 'web01' here", "vm", "delete", "web01")
        os.mkdir(self.machine("web01"), 0o700)
        shutil.copy(self.path("disk.raw"), self.machine("web01", "other.raw"))
        self.fail_with(1, "exists", "has a file .*/other.raw that salvor did not make", "vm", "create", "web01", "--disk", "disk.raw")
        os.remove(self.machine("web01", "other.raw"))
        self.write_overlay("web01", 0)
        for name in ("lock", "log", "pid"):
            with open(self.machine("web01", name), "w", encoding="ascii") as file:
                file.write("runs\n")
        self.create()
        self.assertIsNone(self.listed()["web01"]["reason"])
        self.assertEqual(set(os.listdir(self.machine("web01"))) - {"uid"}, {"vm.conf"})

    def put_hanging_server(self):
        """Returns the FIFO over which each one says that it hangs."""
        fifo = self.path("programs", "hangs")
        os.mkfifo(fifo)
        with open(self.path("programs", "nbdkit"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho >{fifo}\nkill -STOP $$\n")
        os.chmod(file.name, 0o700)
        return fifo

    def remove_hanging_server(self):
        os.remove(self.path("programs", "nbdkit"))
        os.remove(self.path("programs", "hangs"))

    def interrupt_start(self, environment):
        """Whoever starts a machine can let it be while its disks are not served, and nobody keeps its place."""
        fifo = self.put_hanging_server()
        for send in (os.kill, os.killpg):
            process = subprocess.Popen([BIN, "vm", "start", "web01"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                       cwd=self.folder, env=self.environment | environment, start_new_session=True)
            with open(fifo, encoding="ascii") as hangs:
                hangs.readline()
            send(process.pid, signal.SIGTERM if send == os.kill else signal.SIGINT)
            self.assertIn("interrupted", process.communicate()[1])
            self.assertEqual(process.returncode, 130)
            self.assertEqual(self.listed()["web01"]["state"], "stopped")
        self.remove_hanging_server()

    def run_point(self, environment):
        # A sanitizer's library must be loaded before the plugin that needs it, by nbdkit too.
        linked = subprocess.run(["ldd", BIN], capture_output=True, text=True, check=False).stdout
        sanitizer = re.search(r"lib[at]san\.so\S* => (\S+)", linked)
        if sanitizer:
            environment = environment | {"LD_PRELOAD": sanitizer[1], "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}
        self.addCleanup(self.run_salvor, "vm", "stop", "--force", "web01")
        unnamed = {name: value for name, value in environment.items() if name != "SALVOR_REPO"}
        self.assertEqual(self.succeed("vm", "start", "web01", **unnamed)["state"], "running")
        self.assertTrue(os.path.exists(self.machine("web01", "vda.overlay")))
        self.assertNotEqual(self.listed()["web01"]["state"], "stopped")
        self.lose_server()
        self.wait_for_disk()
        self.lose_keeper(environment)
        self.succeed("vm", "stop", "--force", "web01")
        self.assertEqual(self.listed()["web01"]["state"], "stopped")
        self.assertFalse(os.path.exists(self.machine("web01", "nbd", "socket")))
        self.end_by_signals(environment)
        # The hanging server is a shell, which does not start beside ThreadSanitizer's library.
        if not sanitizer or "libtsan" not in sanitizer[1]:
            self.end_while_the_server_hangs(environment)
        self.run_salvor("vm", "stop", "--force", "web01")
        self.succeed("vm", "delete", "web01")  # its guest has written nothing

    def servers(self):
        """The numbers of the processes that serve the machine's disks."""
        def words(pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    return file.read().split(b"\0")
            except OSError:
                return []
        place = self.machine("web01", "nbd", "socket").encode()
        found = [(int(pid), words(pid)) for pid in os.listdir("/proc") if pid.isdigit()]
        return [pid for pid, said in found if place in said and said[0].endswith(b"nbdkit")]

    def log(self):
        with open(self.machine("web01", "log"), encoding="utf-8") as file:
            return file.read()

    def wait_for(self, what, condition, seconds=60):
        for _ in range(seconds * 10):
            if condition():
                return
            time.sleep(0.1)
        self.fail(f"waited in vain for {what}: {self.log()}")

    def kill_server(self):
        """And no other can take its place."""
        os.remove(self.machine("web01", "nbd", "socket"))
        os.mkdir(self.machine("web01", "nbd", "socket"))
        os.kill(self.servers()[0], signal.SIGKILL)

    def lose_server(self):
        """It cannot be started again for a while: that is told once, and nothing else ends."""
        self.kill_server()
        self.wait_for("the word of it", lambda: "cannot be started again" in self.log())
        time.sleep(3)
        self.assertEqual(self.log().count("cannot be started again"), 1)
        self.assertRegex(self.log(), "machine 'web01': its NBD server at .*/socket ended, and cannot be started again: .*tried again")
        os.rmdir(self.machine("web01", "nbd", "socket"))
        self.wait_for("the server", lambda: "was started again" in self.log())
        self.assertEqual(len(self.servers()), 1)
        self.assertEqual(os.stat(self.machine("web01", "nbd")).st_mode & 0o777, 0o711)
        self.assertEqual(os.stat(self.machine("web01", "nbd")).st_uid, os.geteuid())
        if os.geteuid() == 0:
            self.assertGreaterEqual(os.stat(self.machine("web01", "nbd", "socket")).st_uid, 1_900_000_000)

    def status(self, order="status"):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.machine("web01", "control"))
            control.sendall(json.dumps({"do": order}).encode() + b"\n")
            with control.makefile(encoding="utf-8") as answers:
                return json.loads(answers.readline())

    def wait_for_disk(self):
        """What paused for its server is let go on when that serves again; what a person paused is not."""
        def take_server_away():
            self.wait_for("the firmware", lambda: self.status()["by"] == "guest")
            self.kill_server()
            self.status("restart")
            self.status("go-on")
            self.wait_for("the pause for the disk", lambda: self.status()["by"] == "disk")

        def give_server_back():
            os.rmdir(self.machine("web01", "nbd", "socket"))
            self.wait_for("the server", self.servers)
        take_server_away()
        self.assertIn("nbd/socket", self.status()["reason"])
        self.assertIn(f"waits for its disks, which are in the repository {self.path('repository')}", self.listed()["web01"]["reason"])
        self.fail_with(1, "failed", "machine 'web01' went on and paused again: it waits for its disks", "vm", "start", "web01")
        self.fail_with(1, "busy", "machine 'web01' is paused: it waits for its disks, which are in the repository", "vm", "stop", "web01")
        with subprocess.Popen([BIN, "vm", "console", "web01"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=self.environment) as console:
            self.assertIn("'salvor vm start web01': it waits for its disks, which are in the repository", console.stderr.readline())
            console.terminate()
        give_server_back()
        self.wait_for("the firmware, again", lambda: self.status()["by"] == "guest")
        time.sleep(3)  # and it is not let go on out of that
        self.assertEqual(self.status()["by"], "guest")
        take_server_away()
        self.assertEqual(self.status("pause")["by"], "person")
        give_server_back()
        time.sleep(5)
        self.assertEqual((self.status()["state"], self.status()["by"]), ("paused", "person"))
        self.run_salvor("vm", "start", "web01")  # which also tells where the firmware has come to its end at once
        self.wait_for("the firmware at last", lambda: self.status()["by"] == "guest")

    def lose_keeper(self, environment):
        """Its server ends with it: behind the request that it hears next."""
        os.kill(self.keeper(), signal.SIGKILL)
        self.status("restart")
        self.status("go-on")
        self.wait_for("the pause for the disk", lambda: self.status()["by"] == "disk")
        os.remove(self.machine("web01", "keeper"))
        self.assertEqual(self.listed()["web01"]["reason"], f"nothing serves its disks from the repository {self.path('repository')} any more: "
                         "'salvor vm start web01' serves them again")
        self.assertFalse(os.path.exists(self.machine("web01", "keeper")))  # who asks takes nobody's place
        self.assertEqual(self.succeed("vm", "start", "web01", **environment)["state"], "running")
        self.wait_for("the firmware", lambda: self.status()["by"] == "guest")

    def keeper(self):
        with open(f"/proc/{self.servers()[0]}/stat", encoding="ascii") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])

    def end_while_the_server_hangs(self, environment):
        """A server that is started again and does not come to serve keeps its keeper from nothing."""
        self.succeed("vm", "start", "web01", **environment)
        keeper = self.keeper()
        presses = self.log().count("power button is pressed")
        self.status("restart")
        self.status("go-on")
        fifo = self.put_hanging_server()
        os.kill(self.servers()[0], signal.SIGKILL)
        with open(fifo, encoding="ascii") as hangs:
            hangs.readline()
        os.kill(keeper, signal.SIGTERM)
        self.wait_for("the power button", lambda: self.log().count("power button is pressed") > presses)
        with open(fifo, encoding="ascii") as hangs:  # the next try
            hangs.readline()
        self.succeed("vm", "stop", "--force", "web01")
        self.remove_hanging_server()
        self.succeed("vm", "start", "web01", **environment)

    def end_by_signals(self, environment):
        """The first presses the power button, which nobody in there hears; the second ends the machine."""
        self.succeed("vm", "start", "web01", **environment)
        keeper = self.keeper()
        self.status("restart")
        self.status("go-on")
        os.kill(keeper, signal.SIGTERM)
        self.wait_for("the power button", lambda: "power button is pressed" in self.log())
        os.kill(keeper, signal.SIGTERM)
        self.wait_for("the end", lambda: self.listed()["web01"]["state"] == "stopped", 20)
        self.assertIn("was ended", self.log())


@unittest.skipUnless(has_kvm(), "there is no /dev/kvm that this user may open")
class Running(CommandTest):
    """The disk is empty: the firmware runs, and finds nothing to boot."""

    def setUp(self):
        super().setUp()
        with open(self.path("disk.raw"), "wb") as file:
            file.truncate(1 << 20)
        self.succeed("vm", "create", "web01", "--disk", "disk.raw", "--memory", "64M")
        self.addCleanup(self.run_salvor, "vm", "stop", "--force", "web01")
        self.folder_of_machine = self.path("state", "machines", "web01")

    def state(self):
        return self.succeed("vm", "list")["machines"][0]

    def order(self, *lines):
        """The answers to these lines."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(os.path.join(self.folder_of_machine, "control"))
            control.sendall("".join(line + "\n" for line in lines).encode())
            with control.makefile(encoding="utf-8") as answers:
                return [json.loads(answers.readline()) for _ in lines]

    def wait_for(self, what, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.05)
        self.fail(f"waited in vain for {what}: {self.state()}")

    def test_life(self):
        started = self.succeed("vm", "start", "web01")
        self.assertEqual(self.state()["pid"], started["pid"])
        self.fail_with(1, "busy", "'salvor vm stop web01' first", "vm", "delete", "web01")
        self.wait_for("the firmware's word", lambda: self.state()["state"] == "paused")
        self.assertIn("nothing to boot", self.state()["reason"])
        self.fail_with(1, "busy", "is paused: .*nothing to boot", "vm", "stop", "web01")
        self.succeed("vm", "stop", "--force", "web01")
        self.assertEqual((self.state()["state"], self.state()["pid"]), ("stopped", None))
        self.succeed("vm", "start", "web01")

    def log(self):
        with open(os.path.join(self.folder_of_machine, "log"), encoding="utf-8") as log:
            return log.read()

    def give_boot_sector(self, disk, code):
        """The guest of this image runs it, and then for ever."""
        code += bytes.fromhex("ebfe")
        with open(disk, "r+b") as file:
            file.write(code.ljust(510, b"\0") + b"\x55\xaa")

    def make_small_disk(self):
        """A file system of 64 KiB."""
        folder = self.path("small")
        os.mkdir(folder)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("this user may not mount")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        return folder

    def test_a_full_disk(self):
        """Who lets it go on without room is told that it paused again, and the log has that once."""
        folder = self.make_small_disk()
        disk = os.path.join(folder, "disk.raw")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        # By the firmware: one sector from 0x8000 to sector 64. Its packet is in the boot sector.
        write = bytes.fromhex("31c0 8ed8 8ed0 bc007c be007d b80043 cd13")
        self.give_boot_sector(disk, write)
        with open(disk, "r+b") as file:
            file.seek(0x100)
            file.write(bytes.fromhex("1000 0100 0080 0000 4000 0000 0000 0000"))
        with open(os.path.join(folder, "filler"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        self.succeed("vm", "create", "full", "--disk", disk, "--memory", "64M")
        self.addCleanup(self.run_salvor, "vm", "stop", "--force", "full")
        self.folder_of_machine = self.path("state", "machines", "full")
        self.succeed("vm", "start", "full")
        self.wait_for("the pause", lambda: self.order('{"do": "status"}')[0]["by"] == "host")
        self.fail_with(1, "failed", "machine 'full' went on and paused again: disk vda: .*make room", "vm", "start", "full")
        self.assertEqual((self.log().count("is paused"), self.log().count("goes on")), (1, 0))
        self.hear_of_pause()
        os.remove(os.path.join(folder, "filler"))
        self.assertEqual(self.succeed("vm", "start", "full")["state"], "running")
        self.wait_for("the word of it", lambda: "machine 'full' goes on" in self.log())
        self.order('{"do": "pause"}')
        self.wait_for("the word of that", lambda: "machine 'full' is paused: somebody ordered it" in self.log())
        for line in self.log().splitlines():
            self.assertRegex(line, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ salvor: ")

    def hear_of_pause(self):
        """At the console, which is left by a signal."""
        with subprocess.Popen([BIN, "vm", "console", "full"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, env=self.environment) as process:
            self.assertIn("machine 'full' is paused, and says nothing until 'salvor vm start full': disk vda", process.stderr.readline())
            self.assertIn("leaves", process.stderr.readline())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.stderr.read(), "")
        self.assertEqual(process.returncode, 0)

    def test_a_crash(self):
        """It is told in a sentence where people look; what the processor was about is in the log."""
        crash = bytes.fromhex("b02a e610 2e660f0116247c 0f20c00c010f22c0 66ea1b7c00000800"  # into protected mode
                              "0f011d2a7c0000 0f0b"  # without handlers, an instruction that is none
                              "0f00307c0000 000000000000 0000000000000000 ffff0000009bcf00")  # where its segments are, and they
        self.give_boot_sector(self.path("disk.raw"), crash)
        self.succeed("vm", "start", "web01")
        place = os.path.join(self.folder_of_machine, "log")
        self.wait_for("the end", lambda: self.state()["state"] == "stopped")
        self.assertEqual(self.state()["reason"], f"machine 'web01' crashed: triple fault: a fault in the guest that its handlers could not take; see {place}")
        self.assertIn("RIP 0x", self.log())

    def test_failed_starts_are_in_the_log(self):
        os.remove(self.path("disk.raw"))
        self.fail_with(1, "failed", "could not be started: .*disk.raw.*No such file", "vm", "start", "web01")
        self.assertRegex(self.log(), "Z salvor: error: machine 'web01' could not be started: .*disk.raw.*No such file")
        self.assertRegex(self.state()["reason"], "could not be started: .*; see .*/log$")

    def test_a_console_tells_of_the_end(self):
        self.succeed("vm", "start", "web01")
        with subprocess.Popen([BIN, "vm", "console", "web01"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, env=self.environment) as process:
            self.assertIn("leaves", process.stderr.readline())
            self.succeed("vm", "stop", "--force", "web01")
            self.assertEqual(process.stderr.read(), "salvor: machine 'web01' has ended\n")
        self.assertEqual(process.returncode, 0)

    def start_passt(self, place):
        """It listens when it goes into the background. It cannot where it may have no user namespace, as in a chroot."""
        started = subprocess.run(["passt", "--quiet", "--socket", place, "--pid", place + ".pid"], stderr=subprocess.PIPE, text=True, check=False)
        if started.returncode != 0:
            self.skipTest("passt cannot be started: " + started.stderr.strip().rpartition("\n")[2])
        with open(place + ".pid", encoding="ascii") as file:
            passt = os.pidfd_open(int(file.read()))
        self.addCleanup(os.close, passt)
        self.addCleanup(self.kill_passt, passt)
        return passt

    def kill_passt(self, passt):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(passt, signal.SIGKILL)
        select.select([passt], [], [])

    def test_passt(self):
        if not shutil.which("passt"):
            self.skipTest("passt is not installed")
        folder = tempfile.mkdtemp(prefix="salvor-passt-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)  # passt is nobody where root starts it
        place = os.path.join(folder, "socket")
        self.succeed("vm", "delete", "web01")
        self.succeed("vm", "create", "web01", "--disk", "disk.raw", "--memory", "64M", "--passt", place)
        self.fail_with(1, "failed", "machine 'web01' could not be started: .*no passt listens at .*: start it first .*runas 0", "vm", "start", "web01")
        self.assertEqual(self.state()["state"], "stopped")
        passt = self.start_passt(place)
        pid = self.succeed("vm", "start", "web01")["pid"]
        self.kill_passt(passt)
        self.wait_for("the firmware's word", lambda: self.state()["state"] == "paused")
        self.order('{"do": "restart"}')
        self.succeed("vm", "start", "web01")
        self.assertEqual(self.state()["pid"], pid)
        self.succeed("vm", "stop", "--force", "web01")
        self.fail_with(1, "failed", "no passt listens at .* any more", "vm", "start", "web01")
        passt = self.start_passt(place)
        self.give_echo()
        self.succeed("vm", "start", "web01")
        self.assertEqual((self.state()["state"], self.state()["reason"]), ("running", None))
        self.kill_passt(passt)
        lost = f"network net0: the link is down: passt at {place} is gone .*: start it again, then 'salvor vm stop web01' and 'salvor vm start web01'"
        self.wait_for("the loss", lambda: self.state()["reason"])
        self.assertRegex(self.state()["reason"], lost)
        self.assertEqual(self.state()["state"], "running")
        self.assertRegex(self.log(), lost)
        self.order('{"do": "pause"}')
        self.assertEqual((self.state()["state"], self.state()["reason"]), ("paused", None))
        self.order('{"do": "go-on"}')
        self.assertRegex(self.state()["reason"], lost)

    def test_killed(self):
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.kill(pid, signal.SIGKILL)
        self.wait_for("its end", lambda: self.state()["state"] == "stopped")
        self.assertRegex(self.state()["reason"], "ended without a word: .*killed.*memory.*'salvor vm start web01'")
        self.succeed("vm", "start", "web01")
        self.assertEqual(len(re.findall(r"(?m)^20\d\d-\S+Z salvor: warning: machine 'web01': it ended without a word", self.log())), 1)
        self.succeed("vm", "stop", "--force", "web01")
        self.assertIsNone(self.state()["reason"])
        self.succeed("vm", "start", "web01")
        self.assertEqual(self.log().count("without a word"), 1)

    def test_ended_by_its_jail(self):
        """Whose word is the reason, and stays the only one."""
        pid = self.succeed("vm", "start", "web01")["pid"]
        if "outside a jail" in self.log():
            self.skipTest("this build has a sanitizer, which does not work in a jail")
        os.kill(pid, signal.SIGSYS)  # as the kernel says that a call was denied
        self.wait_for("its end", lambda: self.state()["state"] == "stopped")
        self.assertIn("the jail ends this machine", self.state()["reason"])
        self.succeed("vm", "start", "web01")
        self.assertNotIn("without a word", self.log())

    def test_the_host_went_down(self):
        os.kill(self.succeed("vm", "start", "web01")["pid"], signal.SIGKILL)
        self.wait_for("its end", lambda: self.state()["state"] == "stopped")
        with open(os.path.join(self.folder_of_machine, "pid"), "r+", encoding="ascii") as file:
            pid, start, _ = file.read().split()
            file.seek(0)
            file.write(f"{pid} {start} 00000000-0000-0000-0000-000000000000\n")
        self.assertIn("ran when this host went down", self.state()["reason"])
        self.succeed("vm", "start", "web01")
        self.assertIn("ran when this host went down", self.log())

    def test_silent(self):
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.kill(pid, signal.SIGSTOP)
        advice = "machine 'web01' does not answer; 'salvor vm stop --force web01' ends it"
        machine = self.state()
        self.assertEqual((machine["state"], machine["pid"], machine["reason"]), ("silent", pid, advice))
        self.fail_with(1, "busy", advice, "vm", "stop", "--timeout", "1", "web01")
        self.fail_with(1, "busy", advice, "vm", "start", "web01")
        os.kill(pid, signal.SIGCONT)

    def test_its_socket_is_lost(self):
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.remove(os.path.join(self.folder_of_machine, "control"))
        advice = f"machine 'web01' runs, pid {pid}, and nobody listens at its socket .*/control: .*'salvor vm stop --force web01' ends it"
        self.assertEqual(self.state()["state"], "silent")
        self.assertRegex(self.state()["reason"], advice)
        self.fail_with(1, "busy", advice, "vm", "stop", "--timeout", "1", "web01")
        self.assertRegex(self.run_salvor("vm", "console", "web01").stderr, advice)
        self.succeed("vm", "stop", "--force", "web01")
        self.assertEqual((self.state()["state"], self.state()["reason"]), ("stopped", None))

    def at_once(self, n, *words):
        """The status and the words of each of n such commands."""
        processes = [subprocess.Popen([BIN, *words], cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                     for _ in range(n)]
        return sorted((process.wait(), process.communicate()[1]) for process in processes)

    def test_races(self):
        self.put_firmware(bytes.fromhex("f4 ebfd"))  # it halts, for ever
        started = self.at_once(3, "vm", "start", "web01")
        self.assertEqual([status for status, _ in started], [0, 1, 1])
        for _, said in started[1:]:
            self.assertIn("machine 'web01' runs already", said)
        for status, said in self.at_once(3, "vm", "stop", "--force", "web01"):
            self.assertTrue(status == 0 and not said or "does not run" in said, said)
        self.assertEqual((self.state()["state"], self.state()["reason"]), ("stopped", None))
        made = self.at_once(4, "vm", "create", "race", "--disk", "disk.raw")
        self.assertEqual([status for status, _ in made], [0, 1, 1, 1])
        for _, said in made[1:]:
            self.assertIn("there is a machine 'race' already", said)

    def test_killed_by_force(self):
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.kill(pid, signal.SIGSTOP)
        stopped = self.run_salvor("vm", "stop", "--force", "--timeout", "1", "web01")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assertIn("machine 'web01' did not answer and was killed", stopped.stderr)
        self.assertEqual((self.state()["state"], self.state()["reason"]), ("stopped", None))

    def test_who_answers_is_not_killed_by_force(self):
        """However short the guest's time is."""
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.kill(pid, signal.SIGSTOP)
        with subprocess.Popen([BIN, "vm", "stop", "--force", "--timeout", "0", "web01"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=self.environment) as process:
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            self.assertEqual(process.stderr.read(), "")
        self.assertEqual(process.returncode, 0)

    def test_a_wrong_file_while_it_runs(self):
        """Only a start needs the file: who runs is told, spoken to and ended without it."""
        pid = self.succeed("vm", "start", "web01")["pid"]
        self.wait_for("the firmware's word", lambda: self.state()["state"] == "paused")
        with open(os.path.join(self.folder_of_machine, "vm.conf"), "a", encoding="utf-8") as file:
            file.write("colour = blue\n")
        machine = self.state()
        self.assertEqual((machine["state"], machine["pid"], machine["folder"]), ("paused", pid, self.folder_of_machine))
        self.assertRegex(machine["reason"], r"vm.conf:\d+: .*colour.*; .*nothing to boot")
        self.fail_with(1, "busy", "machine 'web01' runs", "vm", "delete", "web01")
        self.fail_with(1, "busy", "is paused: .*nothing to boot", "vm", "stop", "web01")
        self.sit_at_it()
        self.succeed("vm", "stop", "--force", "web01")
        self.assertEqual(self.state()["state"], "stopped")
        self.succeed("vm", "delete", "web01")

    def test_no_file_while_it_runs(self):
        """Nothing that runs is out of sight, or becomes another's."""
        pid = self.succeed("vm", "start", "web01")["pid"]
        os.remove(os.path.join(self.folder_of_machine, "vm.conf"))
        machine = self.state()
        self.assertEqual((machine["name"], machine["pid"]), ("web01", pid))
        self.assertIn("vm.conf: No such file", machine["reason"])
        self.fail_with(1, "busy", f"a machine 'web01' still runs here, pid {pid}: 'salvor vm stop --force web01'", "vm", "create", "web01", "--disk", "disk.raw")
        self.fail_with(1, "busy", "machine 'web01' runs", "vm", "delete", "web01")
        self.succeed("vm", "stop", "--force", "web01")
        self.assertEqual(self.succeed("vm", "list")["machines"], [])
        self.succeed("vm", "create", "web01", "--disk", "disk.raw", "--memory", "64M")
        self.assertEqual(self.state()["state"], "stopped")

    def test_jailed(self):
        pid = self.succeed("vm", "start", "web01")["pid"]
        if "outside a jail" in self.log():
            self.skipTest("this build has a sanitizer, which does not work in a jail")
        self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
        threads = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if status["Name"].startswith("kvm-"):
                continue  # the kernel's own
            threads += 1
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16)), ("2", "1", 0))
            if os.geteuid() == 0:
                self.assertGreaterEqual(int(status["Uid"].split()[0]), 1_900_000_000)
        self.assertGreaterEqual(threads, 4)

    def test_orders(self):
        self.succeed("vm", "start", "web01")
        paused, again, status = self.order('{"do": "pause"}', '{"do": "pause"}', '{"do": "status"}')
        self.assertEqual([answer["state"] for answer in (paused, again, status)], ["paused"] * 3)
        self.assertEqual((status["name"], status["ok"], status["restarts"]), ("web01", True, 0))
        self.assertEqual(paused["by"], "person")
        going_on = self.order('{"do": "go-on"}')[0]
        self.assertEqual((going_on["state"], going_on["by"]), ("running", None))
        wrong = self.order("nonsense", "{}", "[]", '{"do": 5}', '{"do": "fly"}', "", '{"do": "status"}')
        self.assertEqual([answer["ok"] for answer in wrong], [False] * 6 + [True])
        self.assertTrue(all(answer["error"] for answer in wrong[:-1]))
        self.assertTrue(self.order('{"do": "restart"}')[0]["ok"])
        self.wait_for("the restart", lambda: self.order('{"do": "status"}')[0]["restarts"] == 1)

    def test_rude_clients(self):
        self.succeed("vm", "start", "web01")
        clients = []
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            try:
                client.connect(os.path.join(self.folder_of_machine, "control"))
            except BlockingIOError:
                pass  # the queue is full, too
            clients.append(client)
        for client in clients:
            client.close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.path.join(self.folder_of_machine, "control"))
            client.sendall(b"x" * 4096)
            answer = client.recv(4096)
            self.assertIn(b"too long", answer)
        with socket.socket(socket.AF_UNIX) as client:  # never reads its answers
            client.connect(os.path.join(self.folder_of_machine, "control"))
            client.settimeout(10)
            with self.assertRaises(OSError):
                while True:
                    client.sendall(b'{"do": "status"}\n' * 100)
        self.assertTrue(self.order('{"do": "status"}')[0]["ok"])

    def test_console(self):
        self.succeed("vm", "start", "web01")
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(os.path.join(self.folder_of_machine, "control"))
            first.sendall(b'{"do": "console"}\ntyped')
            self.assertTrue(json.loads(first.recv(4096))["ok"])
            self.assertIn("somebody else", self.order('{"do": "console"}')[0]["error"])
        self.wait_for("the console", lambda: self.order('{"do": "console"}')[0]["ok"])
        self.sit_at_it()

    def sit_at_it(self):
        main, terminal = pty.openpty()
        process = subprocess.Popen([BIN, "vm", "console", "web01"], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE,
                                   env=self.environment, start_new_session=True)
        said = [process.stderr.readline()]
        if b"is paused" in said[0]:
            said.append(process.stderr.readline())
        self.assertIn(b"Ctrl-] leaves", said[-1])
        os.write(main, b"\x1d")
        self.assertEqual(process.wait(30), 0)
        process.stderr.close()
        os.close(main)
        os.close(terminal)

    def give_echo(self):
        """The guest is from now on one that says what it hears, and runs for ever."""
        self.put_firmware(bytes.fromhex("bafd03 ec a801 74f8 baf803 ec ee ebf1"))  # in a loop: wait for a byte of COM1, send it back

    def put_firmware(self, code):
        reset = bytes.fromhex("ea000000f0")  # to where the code is
        with open(self.path("firmware"), "wb") as file:
            file.write(bytes(0x10000) + code.ljust(0xFFF0, b"\0") + reset.ljust(16, b"\0"))
        with open(os.path.join(self.folder_of_machine, "vm.conf"), "a", encoding="utf-8") as file:
            file.write(f"firmware = '{self.path('firmware')}'\n")

    def test_who_reads_the_console_leaves(self):
        """That is not the machine's end."""
        self.give_echo()
        self.succeed("vm", "start", "web01")
        with subprocess.Popen([BIN, "vm", "console", "web01"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                              env=self.environment) as process:
            process.stdin.write(b"a")
            self.assertEqual(process.stdout.read(1), b"a")
            process.stdout.close()
            process.stdin.write(b"b")
            said = process.stderr.read()
        self.assertEqual(process.returncode, 0)
        self.assertRegex(said, rb"^[^\n]*leaves, and the machine runs on\n$")

    def test_an_end_right_behind_a_pause(self):
        """A guest that ends as soon as it goes on is told of as ended."""
        # In a loop: wait for a byte of COM1; then an interrupt without handlers, where the zeros are.
        self.put_firmware(bytes.fromhex("bafd03 ec a801 74f8 2e0f011e0080 cc"))
        self.succeed("vm", "start", "web01")
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(os.path.join(self.folder_of_machine, "control"))
            self.order('{"do": "pause"}')
            console.sendall(b'{"do": "console"}\nx')
            self.assertTrue(json.loads(console.recv(4096))["ok"])
            started = self.run_salvor("vm", "start", "web01")
        self.assertEqual(started.returncode, 1)
        self.assertIn("machine 'web01' went on and ended: machine 'web01' crashed", started.stderr)

    def test_what_is_typed_behind_the_order(self):
        """All of it comes to the guest."""
        self.give_echo()
        self.succeed("vm", "start", "web01")
        typed = bytes(ord("a") + i % 26 for i in range(2000))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.path.join(self.folder_of_machine, "control"))
            client.settimeout(30)
            client.sendall(b'{"do": "console"}\n' + typed)
            with client.makefile("rb") as said:
                self.assertTrue(json.loads(said.readline())["ok"])
                self.assertEqual(said.read(len(typed)), typed)

    def test_agent(self):
        self.succeed("vm", "start", "web01")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as agent:  # nobody listens in there, and nobody minds
                agent.connect(os.path.join(self.folder_of_machine, "agent"))
                agent.sendall(b'{"execute": "guest-ping"}\n' * 100)
        self.assertTrue(self.order('{"do": "status"}')[0]["ok"])

    def switches(self, pid):
        """How often the main thread has slept until now."""
        with open(f"/proc/{pid}/task/{pid}/status", encoding="ascii") as file:
            return int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", file.read())[1])

    def test_an_agent_that_does_not_listen_is_asked_seldom(self):
        pid = self.succeed("vm", "start", "web01")["pid"]

        def count(seconds):
            before = self.switches(pid)
            time.sleep(seconds)
            return (self.switches(pid) - before) / seconds
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(os.path.join(self.folder_of_machine, "agent"))
            agent.sendall(b"x" * 20000)
            time.sleep(1)
            if self.order('{"do": "status"}')[0]["state"] == "running":
                self.assertLess(count(1), 40)
            self.order('{"do": "pause"}')
            self.assertLess(count(2), 3)
            self.order('{"do": "go-on"}')
            self.assertLess(count(1), 40)

    def test_what_it_needs_is_gone(self):
        os.truncate(self.path("disk.raw"), 100)
        self.fail_with(1, "failed", "could not be started: .*disk 'vda'", "vm", "start", "web01")
        os.remove(self.path("disk.raw"))
        self.fail_with(1, "failed", "could not be started: .*disk.raw.*No such file", "vm", "start", "web01")
        self.succeed("vm", "delete", "web01")

    def test_image_in_use(self):
        self.succeed("vm", "create", "other", "--disk", "disk.raw")
        self.addCleanup(self.run_salvor, "vm", "stop", "--force", "other")
        self.succeed("vm", "start", "web01")
        self.fail_with(1, "failed", "could not be started: .*disk.raw", "vm", "start", "other")

    def test_no_such_interface(self):
        self.succeed("vm", "create", "other", "--disk", "disk.raw", "--tap", "salvor-none")
        self.fail_with(1, "failed", "could not be started: .*salvor-none", "vm", "start", "other")


if __name__ == "__main__":
    unittest.main()
