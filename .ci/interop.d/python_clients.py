"""Python's http.client, and httpx."""

import base64
import hashlib
import os
import urllib.parse

import httpx


def standard(server):
    """One connection, many requests, ranges."""
    content = os.urandom(300_000)
    path = f"{server.artifacts}?uri={urllib.parse.quote(server.deposit(content), safe='')}"
    connection = server.connect()
    for bounds, expected in [("0-0", content[:1]), ("100-199", content[100:200]), ("-5", content[-5:]),
                             ("299990-", content[299990:]), ("0-99999999", content)]:
        connection.request("GET", path, headers={**server.headers, "Range": f"bytes={bounds}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (206, expected), bounds
    connection.request("GET", path, headers={**server.headers, "Range": "bytes=300000-"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-range")) == (416, "bytes */300000")
    answer.read()
    print("http.client: ranges over one connection")


def httpx_client(server):
    """Streams both ways and checks the digest field."""
    content = os.urandom(4_000_000)
    with httpx.Client(base_url=f"http://{server.address}", headers=server.headers, trust_env=False) as client:
        answer = client.post(server.artifacts, files={"file": ("naïve 文件.pdf", content, "application/pdf")})
        assert answer.status_code == 201, answer.text
        uri = answer.json()["artifacts_uri"]
        digest = hashlib.sha256()
        with client.stream("GET", server.artifacts, params={"uri": uri}) as answer:
            for piece in answer.iter_bytes():
                digest.update(piece)
            named = answer.headers["content-disposition"]
            assert answer.headers["content-type"] == "application/pdf"
            claimed = answer.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")
        assert base64.b64decode(claimed) == digest.digest() == hashlib.sha256(content).digest()
        assert "filename*=UTF-8''" + urllib.parse.quote("naïve 文件.pdf") in named, named
        tag = answer.headers["etag"]
        again = client.get(server.artifacts, params={"uri": uri}, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

        # Two parts are rejected with problem+json, and nothing is stored.
        two = client.post(server.artifacts, files=[("file", ("a", b"1")), ("file", ("b", b"2"))])
        assert two.status_code == 400 and two.json()["type"] == "eden://error/bad-request", two.text
        assert two.headers["content-type"].startswith("application/problem+json")
        stranger = client.get(server.artifacts, params={"uri": uri}, headers={"Authorization": "Bearer admin:wrong"})
        assert stranger.status_code == 401 and stranger.headers["www-authenticate"] == "Bearer"
    print("httpx: streamed both ways, digests, conditions, problems")
