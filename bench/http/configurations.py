#!/usr/bin/env python3
"""Compares configurations of one build: deposits and fetches of 4 KiB over HTTP (wrk), side by side in one run.

The first configuration is `serve` as it is. The others add one thing each: segments instead of files, with rows as notes and
without, receipts, metrics that are read every second. They take turns in each round, and the order rotates. The table shows the
median rates, the median CPU time of a request, and the medians of the rounds' ratios to the first configuration.

    cargo build --release -p artifact-cli
    python3 bench/http/configurations.py     # --help lists the options
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request

import compare
import rig


class Reader(threading.Thread):
    """Reads the metrics of a server every second, as Prometheus does more seldom."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.end, self.reads = address, threading.Event(), 0

    def run(self):
        while not self.end.wait(1):
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
                answer.read()
            self.reads += 1


def configurations(options, work):
    """Yields the name and the arguments of each configuration."""
    def pack(name):
        (work / name).mkdir()
        return ["--backend", f"pack://{work}/{name}/blobs"]

    yield "files", []
    yield "segments, rows as notes", pack("notes")
    yield "segments, rows apart", [*pack("apart"), "--row-notes", "no"]
    key = work / "receipt.key"
    subprocess.run([options.binary, "receipt", "keygen", "example.com/bench", "-o", key], check=True, capture_output=True)
    yield "files, receipts", ["--receipt-key", str(key)]
    yield "files, metrics read each second", ["--metrics-listen", f"127.0.0.1:{rig.free_port()}"]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=root / "target/release/artifact", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target", help="where to work; a new folder is made in it")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the configurations, by the names in the table; the first is always there")
    parser.add_argument("--keep-free-memory", action="store_true",
                        help="begin with the memory as it is, instead of filling the page cache first")
    options = parser.parse_args()

    print(rig.machine(options.dir))
    print(f"{options.rounds} rounds of {options.seconds} s by turns, median\n")
    cached = None if options.keep_free_memory else rig.fill_page_cache(options.dir)
    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=options.dir))
    servers, readers = {}, []
    try:
        for number, (name, extra) in enumerate(configurations(options, work)):
            if options.only and number > 0 and name not in options.only:
                continue
            server = rig.Server(options.binary, work / f"server-{number}", extra)
            servers[name] = server.__enter__()
            if "--metrics-listen" in extra:
                readers.append(Reader(extra[-1]))
                readers[-1].start()
        post, fetch = work / "deposit.lua", work / "fetch.lua"
        post.write_text(compare.LUA_DEPOSIT)
        fetch.write_text(compare.LUA_FETCH)
        paths = {}
        for number, (name, server) in enumerate(servers.items()):
            paths[name] = work / f"uris-{number}.txt"
            uris = [server.deposit(os.urandom(4096)) for _ in range(1000)]
            paths[name].write_text("".join(f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}\n" for uri in uris))
        for label, of in {
            "deposit": lambda name, server: (server.artifacts, post, []),
            "fetch": lambda name, server: ("/", fetch, [str(paths[name])]),
        }.items():
            for connections in options.connections:
                measure(label, connections, of, servers, options)
        print(f"\nThe metrics were read {sum(reader.reads for reader in readers)} times.")
    finally:
        for reader in readers:
            reader.end.set()
        for server in servers.values():
            server.__exit__()
        shutil.rmtree(work)
        if cached:
            cached.close()


def measure(label, connections, of, servers, options):
    at = argparse.Namespace(connections=connections, seconds=options.seconds)
    names = list(servers)
    rates, costs = {name: [] for name in names}, {name: [] for name in names}
    for turn in range(options.rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            server = servers[name]
            path, script, arguments = of(name, server)
            rate, _, cost = compare.wrk(server.pid, server.address, path, server.headers, script, arguments, at)
            rates[name].append(rate)
            costs[name].append(cost)
    print(f"### {label} 4 KiB, {connections} connections\n")
    print("| configuration | 1/s | CPU, us | rate to files | CPU to files |")
    print("|---|---|---|---|---|")
    for name in names:
        to_first = [statistics.median(mine / first for mine, first in zip(of[name], of[names[0]])) for of in (rates, costs)]
        print(f"| {name} | {statistics.median(rates[name]):,.0f} | {statistics.median(costs[name]):.0f} "
              f"| {to_first[0]:.2f} | {to_first[1]:.2f} |")
    print(flush=True)


if __name__ == "__main__":
    main()
