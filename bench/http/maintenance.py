#!/usr/bin/env python3
"""Measures fetches and deposits while a scrub and a collection run in the same server, beside the same server without them.

The two take turns in each round, on the same data folder. In the one with maintenance, a scrub begins each second, unless one runs, and a
collection as well; so both run all the time, at the rate of `--scrub-rate`. Clients with a connection each fetch
or deposit 4 KiB, and wait a little after each request, so that the processors are not the limit.

    cargo build --release -p artifact-cli
    python3 bench/http/maintenance.py
    python3 bench/http/maintenance.py --scrub-rate 0 --database postgres://user@host/database
"""

import argparse
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse

import rig

FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n%s\r\n--b--\r\n'


class Client(threading.Thread):
    """Sends requests of one kind over one connection until a time, and keeps their durations in milliseconds."""

    def __init__(self, server, paths, pause, until):
        super().__init__()
        self.server, self.paths, self.pause, self.until = server, paths, pause, until
        self.times, self.failed = [], 0

    def run(self):
        connection = self.server.connect()
        while (began := time.monotonic()) < self.until:
            if self.paths:
                connection.request("GET", random.choice(self.paths), headers=self.server.headers)
            else:
                connection.request("POST", self.server.artifacts, FORM % os.urandom(4096),
                                   {**self.server.headers, "Content-Type": "multipart/form-data; boundary=b"})
            answer = connection.getresponse()
            answer.read()
            self.times.append(1000 * (time.monotonic() - began))
            self.failed += answer.status not in (200, 201)
            time.sleep(self.pause)


def measure(server, paths, options):
    """Returns the 50th and 99th percentile in milliseconds, the number of requests and of failures."""
    until = time.monotonic() + options.seconds
    clients = [Client(server, paths, options.pause, until) for _ in range(options.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    times = sorted(time for client in clients for time in client.times)
    failed = sum(client.failed for client in clients)
    return times[len(times) // 2], times[len(times) * 99 // 100], len(times), failed


def fill(server, options):
    """Deposits artifacts of 64 KiB, and a few of 16 MiB. Returns the paths of small ones that are fetched."""
    for _ in range(options.large):
        server.deposit(os.urandom(16 << 20))
    for _ in range(options.blobs):
        server.deposit(os.urandom(64 << 10))
    uris = [server.deposit(os.urandom(4096)) for _ in range(1000)]
    return [f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}" for uri in uris]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", default=root / "target/release/artifact", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between the requests of a client")
    parser.add_argument("--blobs", type=int, default=2000, help="blobs of 64 KiB")
    parser.add_argument("--large", type=int, default=8, help="blobs of 16 MiB")
    parser.add_argument("--scrub-rate", default="10MiB")
    parser.add_argument("--database", help="another database than the SQLite file of the data folder; it must be empty")
    options = parser.parse_args()

    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir))
    common = ["--log-level", "info", "--log-format", "json"] + (["--database", options.database] if options.database else [])
    off = [*common, "--gc-interval", "0", "--scrub-interval", "0"]
    on = [*common, "--gc-interval", "1", "--scrub-interval", "1", "--scrub-rate", options.scrub_rate]
    print(rig.machine(options.dir))
    found = {}
    processor = {"off": 0.0, "on": 0.0}
    try:
        with rig.Server(options.artifact, work, off) as server:
            paths = fill(server, options)
        for round in range(options.rounds):
            for which in ("off", "on") if round % 2 else ("on", "off"):
                with rig.Server(options.artifact, work, {"on": on, "off": off}[which]) as server:
                    time.sleep(1)
                    before = rig.cpu_seconds(server.pid)
                    for kind, of in (("fetch 4 KiB", paths), ("deposit 4 KiB", None)):
                        found.setdefault((kind, which), []).append(measure(server, of, options))
                    processor[which] += rig.cpu_seconds(server.pid) - before
    finally:
        shutil.rmtree(work)
    print(f"\n{options.clients} clients, {options.rounds} rounds of {options.seconds} s, scrub rate {options.scrub_rate}\n")
    print("| | p50 off, ms | p50 on, ms | ratio | rounds | p99 off, ms | p99 on, ms | ratio | rounds | requests off, on "
          "| failed |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for kind in ("fetch 4 KiB", "deposit 4 KiB"):
        off, on = found[kind, "off"], found[kind, "on"]
        cells = [kind]
        for at in (0, 1):
            one, other = (statistics.median(line[at] for line in lines) for lines in (off, on))
            each = " ".join(f"{with_[at] / without[at]:.2f}" for without, with_ in zip(off, on))
            cells += [f"{one:.2f}", f"{other:.2f}", f"{other / one:.2f}", each]
        numbers = [sum(line[2] for line in lines) for lines in (off, on)]
        failed = sum(line[3] for line in off + on)
        print("| " + " | ".join([*cells, f"{numbers[0]}, {numbers[1]}", str(failed)]) + " |")
    print(f"\nprocessor seconds of the server: {processor['off']:.1f} without, {processor['on']:.1f} with maintenance")


if __name__ == "__main__":
    sys.exit(main())
