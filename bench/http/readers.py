#!/usr/bin/env python3
"""Measures the server's memory while many clients read one artifact, and after they are gone.

    cargo build --release -p artifact-cli
    python3 bench/http/readers.py glibc= trim=MALLOC_TRIM_THRESHOLD_=131072

Each subject is NAME=ENVIRONMENT, with the variables of its server separated by commas, or NAME=@PATH for another
binary. The subjects take turns.
"""

import argparse
import pathlib
import os
import selectors
import shutil
import socket
import statistics
import sys
import tempfile
import time
import urllib.parse

import rig

MIB = 1 << 20


def read_all(server, uri, size, many, seconds):
    """Reads the artifact over `many` connections at once. Each takes at least `seconds`."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
    request = (f"GET {server.artifacts}?uri={urllib.parse.quote(uri, safe='')} HTTP/1.1\r\nHost: b\r\n{fields}"
               "Connection: close\r\n\r\n").encode()
    host, port = server.address.split(":")
    chosen, received = selectors.DefaultSelector(), {}
    for _ in range(many):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        client.connect((host, int(port)))
        client.sendall(request)
        client.setblocking(False)
        received[client] = 0
        chosen.register(client, selectors.EVENT_READ)
    began, open_clients = time.monotonic(), many
    while open_clients:
        # No client is ahead of the pace.
        due = size * (time.monotonic() - began) / seconds if seconds else float("inf")
        idle = True
        for key, _ in chosen.select(1):
            client = key.fileobj
            if received[client] > due:
                continue
            idle = False
            piece = client.recv(256 << 10)
            received[client] += len(piece)
            if not piece:
                chosen.unregister(client)
                client.close()
                open_clients -= 1
        if idle:
            time.sleep(0.01)
    short = [count for count in received.values() if count < size]
    assert not short, f"{len(short)} clients received less than the artifact"


def measure(options, environment, binary, folder):
    """Returns MiB: idle before, peak and RSS after fast readers, peak and RSS after slow readers; and seconds."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        server = rig.Server(binary, folder, ["--log-level", "warn"])
        server.__enter__()
    finally:
        os.environ.clear()
        os.environ.update(before)
    try:
        size = options.mib * MIB
        uri = server.deposit(os.urandom(size))
        row = [server.memory("VmRSS") / MIB]
        for seconds in (0, options.slow):
            server.forget_peak()
            began = time.monotonic()
            read_all(server, uri, size, options.readers, seconds)
            took = time.monotonic() - began
            time.sleep(options.idle)
            row += [server.memory() / MIB, server.memory("VmRSS") / MIB, took]
        return row
    finally:
        server.__exit__()
        shutil.rmtree(folder)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="+", metavar="NAME=ENVIRONMENT")
    parser.add_argument("--artifact", default=root / "target/release/artifact", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target")
    parser.add_argument("--readers", type=int, default=300)
    parser.add_argument("--mib", type=int, default=8)
    parser.add_argument("--slow", type=float, default=10, help="seconds that a slow reader takes")
    parser.add_argument("--idle", type=float, default=5, help="seconds of rest before RSS is read")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(rig.machine(options.dir))
    print("\n| subject | idle | fast: peak | after | s | slow: peak | after | s |\n|---|---|---|---|---|---|---|---|")

    def show(name, cells):
        shown = (f"{cell:.1f}" if at in (3, 6) else f"{cell:.0f}" for at, cell in enumerate(cells))
        print(f"| {name} | " + " | ".join(shown) + " |", flush=True)

    results = {}
    for number in range(1, options.rounds + 1):
        for subject in options.subjects:
            name, _, text = subject.partition("=")
            binary = pathlib.Path(text[1:]) if text.startswith("@") else options.artifact
            variables = [] if text.startswith("@") else filter(None, text.split(","))
            environment = dict(variable.split("=", 1) for variable in variables)
            folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir)) / "server"
            row = measure(options, environment, binary, folder)
            folder.parent.rmdir()
            results.setdefault(name, []).append(row)
            show(f"{name}, round {number}", row)
    for name, rows in results.items():
        show(f"{name}, median", [statistics.median(column) for column in zip(*rows)])


if __name__ == "__main__":
    sys.exit(main())
