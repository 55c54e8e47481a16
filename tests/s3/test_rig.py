#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway refuses what it must, the roles may what their policies say and no more, and the bad network does each thing that a
rule can say. Started by test_rig.sh."""
import http.client
import os
import unittest
import urllib.error
import urllib.request

from client import Client

PROXY = os.environ["PROXY"]
BODY = os.urandom(300000)
BUCKETS = ("plain", "locked")
ID = "0123456789abcdef"
MINE, OTHERS = ID + "0000000000000001", "fedcba9876543210" + "0000000000000001"
roles = {name: Client(name) for name in ("root", "admin", "writer", "reader", "collector", "stranger")}
root = roles["root"]


def status(role, method, target, headers=None, body=BODY):
    return roles[role].request(method, target, headers, body if method == "PUT" else b"")[0]


class Roles(unittest.TestCase):
    def may(self, role, method, target):
        self.assertEqual(status(role, method, target) // 100, 2, f"{role} {method} {target}")

    def may_not(self, role, method, target):
        self.assertEqual(status(role, method, target), 403, f"{role} {method} {target}")

    def setUp(self):
        for bucket in BUCKETS:
            for key in ("config", "k/00000000", "s/owner", "p/" + OTHERS):
                self.may("admin", "PUT", f"/{bucket}/r/{key}")

    def test_wrong_secret(self):
        wrong = Client("root")
        self.addCleanup(wrong.connection.close)
        wrong.secret = "wrong"
        self.assertEqual(wrong.request("GET", "/plain?list-type=2")[0], 403)

    def test_stranger(self):
        for bucket in BUCKETS:
            self.may_not("stranger", "GET", f"/{bucket}?list-type=2&prefix=r/")
            self.may_not("stranger", "GET", f"/{bucket}/r/config")
            self.may_not("stranger", "PUT", f"/{bucket}/r/config")

    def test_writer(self):
        for bucket in BUCKETS:
            for letter in "wpmlc":
                self.may("writer", "PUT", f"/{bucket}/r/{letter}/{MINE}")
                self.may_not("writer", "PUT", f"/{bucket}/r/{letter}/{OTHERS}")
                self.may_not("writer", "DELETE", f"/{bucket}/r/{letter}/{MINE}")
            for key in ("config", "k/00000000", "k/00000001", "s/owner", "s/other", "d/" + MINE, "g/0000000000000001.plan"):
                self.may_not("writer", "PUT", f"/{bucket}/r/{key}")
                self.may_not("writer", "DELETE", f"/{bucket}/r/{key}")
            self.may_not("writer", "GET", f"/{bucket}/r/s/owner")
            self.may("writer", "GET", f"/{bucket}/r/p/{OTHERS}")
            self.may_not("writer", "GET", f"/{bucket}?versions&prefix=other/")
            self.may("writer", "GET", f"/{bucket}?versions&prefix=r/c/")

    def test_reader(self):
        for bucket in BUCKETS:
            for key in ("config", "k/00000000", "s/owner", "p/" + OTHERS):
                self.may("reader", "GET", f"/{bucket}/r/{key}")
                self.may_not("reader", "PUT", f"/{bucket}/r/{key}")
                self.may_not("reader", "DELETE", f"/{bucket}/r/{key}")
            self.assertIn((len(BODY), "r/config"), [row[:2] for row in roles["reader"].keys(bucket, "r/")])

    def test_collector(self):
        for bucket in BUCKETS:
            self.may("admin", "PUT", f"/{bucket}/r/p/{MINE}")
            self.may("collector", "DELETE", f"/{bucket}/r/p/{MINE}")
            self.may_not("collector", "DELETE", f"/{bucket}/r/config")
            self.may_not("collector", "PUT", f"/{bucket}/other/g/0000000000000001.plan")

    def test_locked_bucket_keeps_everything(self):
        for _ in range(2):
            self.may("root", "PUT", "/locked/v/1")
        self.may("root", "DELETE", "/locked/v/1")
        versions = list(root.versions("locked", "v/"))
        self.assertEqual([kind for _, _, kind, _ in versions], ["marker", "older", "older"])
        self.may("root", "GET", f"/locked/v/1?versionId={versions[-1][1]}")
        self.may_not("root", "DELETE", f"/locked/v/1?versionId={versions[-1][1]}")
        root.wipe("locked", "v/")
        self.assertEqual(list(root.versions("locked", "v/")), [])


class Network(unittest.TestCase):
    def setUp(self):
        self.rules("")
        self.client = Client("root", PROXY)
        self.addCleanup(self.client.connection.close)
        self.put("n/p/1")

    def rules(self, text):
        return self.ask("rules", text)

    @staticmethod
    def ask(what, body=None):
        with urllib.request.urlopen(f"{PROXY}/-/{what}", None if body is None else body.encode()) as answer:
            return answer.read().decode()

    def put(self, key):
        root.succeed("PUT", f"/plain/{key}", None, BODY)

    def request(self, *request):
        """None where the connection ended."""
        try:
            return self.client.request(*request)
        except (http.client.HTTPException, OSError, OverflowError):
            self.client.connection.close()
            return None

    def get(self, key="n/p/1"):
        return self.request("GET", f"/plain/{key}")

    def broken(self, rule, *request):
        """The answer with the rule; the one after it is whole again."""
        self.rules(rule + " class=p times=1")
        answer = self.request(*request or ("GET", "/plain/n/p/1"))
        self.client.connection.close()
        self.assertEqual(self.get(), (200, BODY))
        return answer

    def test_passes_and_counts(self):
        self.ask("reset", "")
        self.assertEqual(self.request("PUT", "/plain/n/m/1", None, BODY)[0], 200)
        self.assertEqual(self.get("n/m/1"), (200, BODY))
        self.assertEqual(self.request("GET", "/plain/n/m/1", {"range": "bytes=7-9"}), (206, BODY[7:10]))
        self.assertEqual(self.request("HEAD", "/plain/n/m/1"), (200, b""))
        self.assertIn(b"<Key>n/m/1</Key>", self.request("GET", "/plain?list-type=2&prefix=n/m/")[1])
        counts = {tuple(line.split()[:2]): line.split()[2:] for line in self.ask("counts").splitlines()}
        self.assertEqual(set(counts), {("put", "m"), ("get", "m"), ("head", "m"), ("list", "m")})
        self.assertEqual(counts["put", "m"], ["1", str(len(BODY)), "0"])
        self.assertEqual(counts["get", "m"], ["2", "0", str(len(BODY) + 3)])

    def test_cuts(self):
        for rule, there in (("drop", 404), ("stop", 404), ("lose", 200)):
            root.request("DELETE", "/plain/n/p/2")
            self.assertIsNone(self.broken(rule, "PUT", "/plain/n/p/2", None, BODY), rule)
            self.assertEqual(status("root", "GET", "/plain/n/p/2"), there, rule)
        self.assertIsNone(self.broken("cut"))
        self.assertIsNone(self.broken("cut", "GET", "/plain?list-type=2&prefix=n/p/"))
        with open(os.environ["PROXY_LOG"], encoding="utf-8") as log:
            self.assertRegex(log.read(), r"(?m)^[0-9.]+ lose 0 PUT /plain/n/p/2 ")

    def test_spoils(self):
        self.assertEqual(self.broken("truncate"), (200, BODY[:len(BODY) // 2]))
        flipped = self.broken("flip")[1]
        self.assertEqual(sum((a ^ b).bit_count() for a, b in zip(flipped, BODY, strict=True)), 1)
        self.assertIn(b"<html>", self.broken("html")[1])
        code, body = self.broken("status=503:SlowDown")
        self.assertEqual((code, b"<Code>SlowDown</Code>" in body), (503, True))
        for seed in range(20):
            self.broken(f"seed={seed}\nheader")
            self.broken(f"seed={seed}\nany")

    def test_twists(self):
        create = ("PUT", "/plain/n/p/3", {"if-none-match": "*"}, BODY)
        root.request("DELETE", "/plain/n/p/3")
        self.assertEqual(self.broken("repeat", *create)[0], 412)
        self.assertEqual(self.broken("ignore-condition", *create)[0], 200)
        listing = self.broken("hide=p/3<", "GET", "/plain?list-type=2&prefix=n/p/")[1]
        self.assertEqual((b"p/1<" in listing, b"p/3<" in listing), (True, False))

    def test_choice(self):
        self.rules("status=500 kind=get skip=2 times=1")
        self.assertEqual([self.get()[0] for _ in range(4)], [200, 200, 500, 200])
        self.assertEqual(self.lucky(7), self.lucky(7))
        self.assertNotEqual(self.lucky(7), self.lucky(8))
        with self.assertRaises(urllib.error.HTTPError):
            self.rules("dely=30")

    def lucky(self, seed):
        self.rules(f"seed={seed}\nstatus=500 chance=500")
        return [self.get()[0] for _ in range(30)]


def tearDownModule():
    for client in roles.values():
        client.connection.close()


if __name__ == "__main__":
    unittest.main()
