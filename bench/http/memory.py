#!/usr/bin/env python3
"""Measures the server's peak memory during 16 deposits of 256 MiB at once, and during 16 fetches of them, against idle.

    cargo build --release -p artifact-cli
    python3 bench/http/memory.py          # 4 GiB of disk
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse

import rig

PIECE = bytes(range(256)) * 1024


def deposit(server, size, uris):
    head = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n")
    tail = b"\r\n--b--\r\n"
    connection = server.connect(timeout=300)
    connection.putrequest("POST", server.artifacts)
    for name, value in {**server.headers, "Content-Type": "multipart/form-data; boundary=b",
                        "Content-Length": len(head) + size + len(tail)}.items():
        connection.putheader(name, str(value))
    connection.endheaders(head)
    for _ in range(size // len(PIECE)):
        connection.send(PIECE)
    connection.send(tail)
    answer = connection.getresponse()
    uris.append(json.loads(answer.read())["artifacts_uri"])


def fetch(server, uri, size, done):
    connection = server.connect(timeout=300)
    connection.request("GET", f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}", headers=server.headers)
    answer = connection.getresponse()
    digest, length = hashlib.sha256(), 0
    while piece := answer.read(1 << 18):
        digest.update(piece)
        length += len(piece)
    assert (answer.status, length) == (200, size)
    done.append(digest.hexdigest())


def all_at_once(calls):
    threads = [threading.Thread(target=call, args=args) for call, *args in calls]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", default=root / "target/release/artifact", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target")
    parser.add_argument("--many", type=int, default=16)
    parser.add_argument("--mib", type=int, default=256)
    options = parser.parse_args()
    many, size = options.many, options.mib << 20
    digest = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        digest.update(PIECE)
    right = digest.hexdigest()

    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir))
    print(rig.machine(options.dir))
    print("\n| what | seconds | peak, MiB | above idle, MiB |\n|---|---|---|---|")
    try:
        with rig.Server(options.artifact, work / "server", ["--max-artifact-bytes", "1GiB"]) as server:
            server.deposit(b"x")
            idle = server.memory("VmRSS") / (1 << 20)
            print(f"| idle | | {idle:.0f} | |")

            def cell(name, calls):
                server.forget_peak()
                seconds = all_at_once(calls)
                peak = server.memory() / (1 << 20)
                print(f"| {name} | {seconds:.1f} | {peak:.0f} | {peak - idle:.0f} |", flush=True)

            uris, done = [], []
            cell(f"{many} deposits of {options.mib} MiB at once", [(deposit, server, size, uris)] * many)
            cell(f"{many} fetches of {options.mib} MiB at once", [(fetch, server, uri, size, done) for uri in uris])
            assert done == [right] * many, "other bytes came back"
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
