#!/usr/bin/env python3
"""Measures the server's memory while many clients fetch an artifact and take nothing, and after they are gone.

    cargo build --release -p artifact-cli
    python3 bench/http/stalled.py now=target/release/artifact before=PATH

Each subject is NAME=PATH of a binary. The subjects take turns. Over HTTP/2, each connection has 64 streams and grants
them the window that RFC 9113 begins with.
"""

import argparse
import os
import pathlib
import resource
import shutil
import socket
import sys
import tempfile
import time
import urllib.parse

import rig

MIB = 1 << 20


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """Encodes a header field without the table (RFC 7541, section 6.2.2)."""
    def text(of):
        of = of.encode()
        # Seven bits, then the rest in one byte (section 5.1).
        length = bytes([len(of)]) if len(of) < 127 else bytes([127, len(of) - 127])
        return length + of
    return b"\0" + text(name) + text(value)


def connect(server, received=64 << 10):
    host, port = server.address.split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
    client.connect((host, int(port)))
    return client


def http1(server, path, many):
    fields = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
    clients = []
    for _ in range(many):
        client = connect(server)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: b\r\n{fields}\r\n".encode())
        clients.append(client)
    for client in clients:
        assert client.recv(12) == b"HTTP/1.1 200"
    return clients


def http2(server, path, many):
    fields = {":method": "GET", ":scheme": "http", ":authority": "b", ":path": path,
              **{name.lower(): value for name, value in server.headers.items()}}
    block = b"".join(literal(*field) for field in fields.items())
    clients = []
    for _ in range(many // 64):
        client = connect(server, 4 << 20)
        requests = b"".join(frame(1, 5, 2 * number + 1, block) for number in range(64))
        # The connection's window has room for all streams.
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
                       + frame(8, 0, 0, (64 << 20).to_bytes(4, "big")) + requests)
        clients.append(client)
    return clients


def measure(binary, folder, options, begin):
    """Returns MiB: idle, with the clients, and after them."""
    os.environ["ARTIFACT_MAX_FETCHES_PER_PRINCIPAL"] = str(options.clients)
    with rig.Server(binary, folder, ["--log-level", "error", *options.server]) as server:
        uri = server.deposit(os.urandom(options.mib * MIB))
        row = [server.memory("VmRSS") / MIB]
        clients = begin(server, f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}", options.clients)
        time.sleep(options.wait)
        row.append(server.memory("VmHWM") / MIB)
        for client in clients:
            client.close()
        time.sleep(options.wait)
        row.append(server.memory("VmRSS") / MIB)
    shutil.rmtree(folder)
    return row


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--dir", default=root / "target")
    parser.add_argument("--clients", type=int, default=4096, help="connections over HTTP/1.1, streams over HTTP/2")
    parser.add_argument("--mib", type=int, default=16)
    parser.add_argument("--wait", type=float, default=5, help="seconds of rest before the memory is read")
    parser.add_argument("--server", action="append", default=[], help="a further argument of `artifact serve`")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    print(rig.machine(options.dir))
    print(f"\n{options.clients} clients, an artifact of {options.mib} MiB; MiB of resident memory")
    print("\n| subject | protocol | idle | with the clients, peak | after them |\n|---|---|---|---|---|")
    for protocol, begin in (("HTTP/1.1", http1), ("HTTP/2", http2)):
        for subject in options.subjects:
            name, _, path = subject.partition("=")
            folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir))
            row = measure(path, folder / "server", options, begin)
            folder.rmdir()
            print(f"| {name} | {protocol} | " + " | ".join(f"{cell:.0f}" for cell in row) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
