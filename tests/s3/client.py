#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One signed request to an S3 service, for the tests: what the command itself would never ask for.

usage: client.py PROFILE METHOD PATH[?QUERY] [NAME:VALUE ...] [<BODY]
       client.py PROFILE keys|versions BUCKET [PREFIX]
       client.py PROFILE each METHOD BUCKET PREFIX... [<BODY]
       client.py PROFILE wipe BUCKET PREFIX

PROFILE is a section of $AWS_SHARED_CREDENTIALS_FILE, the service is $S3_ENDPOINT. A request prints the answer's body and, to
standard error, its status; the exit status is 1 unless that is 2xx. Only PUT and POST read a body. keys prints "size key etag" a
line, versions "key version-id latest|older|marker etag", newest first; each does the same to all keys; wipe removes all versions of the objects, whatever protects
them.
"""
import configparser
import datetime
import hashlib
import hmac
import http.client
import os
import sys
import urllib.parse
import xml.etree.ElementTree

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
REGION = "us-east-1"


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(pairs))


def sign(secret, *words):
    key = b"AWS4" + secret.encode()
    for word in words:
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


class Client:
    def __init__(self, profile, endpoint=None):
        credentials = configparser.ConfigParser()
        credentials.read(os.environ["AWS_SHARED_CREDENTIALS_FILE"])
        self.access = credentials[profile]["aws_access_key_id"]
        self.secret = credentials[profile]["aws_secret_access_key"]
        self.host = urllib.parse.urlsplit(endpoint or os.environ["S3_ENDPOINT"]).netloc
        self.connection = http.client.HTTPConnection(self.host, timeout=120)

    def signed(self, method, path, query, headers, body):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-date": now, "x-amz-content-sha256": digest,
                   **{name.lower(): value for name, value in headers.items()}}
        names = ";".join(sorted(headers))
        request = "\n".join([method, path, query, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, digest])
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
        signature = hmac.new(sign(self.secret, *scope.split("/")), to_sign.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, "
                                    f"Signature={signature}")
        return headers

    def request(self, method, target, headers=None, body=b""):
        """(status, body) of the answer."""
        path, _, query = target.partition("?")
        path, query = urllib.parse.quote(path, safe="/-_.~"), canonical_query(query)
        headers = self.signed(method, path, query, headers or {}, body)
        self.connection.request(method, f"{path}?{query}" if query else path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def succeed(self, *request):
        status, body = self.request(*request)
        if status // 100 != 2:
            sys.exit(f"{request[0]} {request[1]}: {status} {body.decode(errors='replace')}")
        return body

    def listing(self, bucket, query, following):
        """The elements of all pages; following gives the next page's query of a page, or nothing."""
        more = ""
        while more is not None:
            page = xml.etree.ElementTree.fromstring(self.succeed("GET", f"/{bucket}?{query}{more}"))
            yield from page
            more = following(page)

    def keys(self, bucket, prefix=""):
        def following(page):
            token = page.findtext(NAMESPACE + "NextContinuationToken")
            return f"&continuation-token={quote(token)}" if token else None
        for entry in self.listing(bucket, f"list-type=2&prefix={quote(prefix)}", following):
            if entry.tag == NAMESPACE + "Contents":
                yield int(entry.findtext(NAMESPACE + "Size")), *(entry.findtext(NAMESPACE + name) for name in ("Key", "ETag"))

    def versions(self, bucket, prefix=""):
        def following(page):
            key, version = (page.findtext(NAMESPACE + f"Next{name}Marker") for name in ("Key", "VersionId"))
            return f"&key-marker={quote(key)}&version-id-marker={quote(version or '')}" if key else None
        for entry in self.listing(bucket, f"versions&prefix={quote(prefix)}", following):
            kind = {"Version": "older", "DeleteMarker": "marker"}.get(entry.tag.removeprefix(NAMESPACE))
            if kind == "older" and entry.findtext(NAMESPACE + "IsLatest") == "true":
                kind = "latest"
            if kind:
                key, version, etag = (entry.findtext(NAMESPACE + name) for name in ("Key", "VersionId", "ETag"))
                yield key, version, kind, etag

    def each(self, body, method, bucket, *prefixes):
        for key in [key for prefix in prefixes for _, key, _ in self.keys(bucket, prefix)]:
            self.succeed(method, f"/{bucket}/{key}", None, body)

    def wipe(self, bucket, prefix):
        for key, version, *_ in list(self.versions(bucket, prefix)):
            self.succeed("DELETE", f"/{bucket}/{key}?versionId={quote(version)}", {"x-amz-bypass-governance-retention": "true"})


def read_body(method):
    return sys.stdin.buffer.read() if method in ("PUT", "POST") else b""


def main():
    profile, verb, *words = sys.argv[1:]
    client = Client(profile)
    if verb in ("keys", "versions"):
        for row in getattr(client, verb)(*words):
            print(*row)
    elif verb == "wipe":
        client.wipe(*words)
    elif verb == "each":
        client.each(read_body(words[0]), *words)
    else:
        headers = dict(word.split(":", 1) for word in words[1:])
        status, body = client.request(verb, words[0], headers, read_body(verb))
        sys.stdout.buffer.write(body)
        print(status, file=sys.stderr)
        sys.exit(status // 100 != 2)


if __name__ == "__main__":
    main()
