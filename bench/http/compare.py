#!/usr/bin/env python3
"""Fetches and deposits of `artifact serve` against peers, side by side in one run.

Fetch: wrk asks nginx for static files and the server for the same bytes, deposited, with a credential and
the read rule. Deposit: wrk posts 4 KiB forms over 16 connections; the peer is the file-system backend
alone, storing 4 KiB from 16 tasks in the same folder (artifact-backend-fs/examples/store_rate.rs).
The subjects take turns in each round; the median round of each is shown.

    cargo build --release -p artifact-cli
    cargo build --release -p artifact-backend-fs --example store_rate
    python3 bench/http/compare.py            # --help lists the options
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.parse

import credentials
import rig

LUA_FETCH = """
local at, all = 0, {}
init = function(args)
  for line in io.lines(args[1]) do all[#all + 1] = wrk.format("GET", line) end
end
request = function()
  at = at % #all + 1
  return all[at]
end
"""

LUA_DEPOSIT = """
local body = "--b\\r\\nContent-Disposition: form-data; name=\\"file\\"; filename=\\"f\\"\\r\\n"
  .. "Content-Type: application/octet-stream\\r\\n\\r\\n" .. string.rep("x", 4096) .. "\\r\\n--b--\\r\\n"
wrk.method = "POST"
wrk.body = body
wrk.headers["Content-Type"] = "multipart/form-data; boundary=b"
"""


def wrk(process, address, path, headers, script, args, options):
    """Returns requests per second, the 99th percentile, and the CPU time per request in microseconds."""
    command = ["wrk", f"-t{min(2, options.connections)}", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", "-s", script]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command += [f"http://{address}{path}", "--", *args]
    before = rig.cpu_seconds(process)
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wrong = re.search(r"Non-2xx.*|Socket errors.*", out)
    if wrong:
        raise SystemExit(f"{' '.join(map(str, command))}\n{wrong.group()}")
    latencies, totals = out.split("Thread Stats", 1)[1].split(" requests in ", 1)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", totals).group(1))
    spent = rig.cpu_seconds(process) - before
    return rate, re.search(r" 99%\s+(\S+)", latencies).group(1), 1e6 * spent / int(latencies.split()[-1])


def fetches(work, options, row):
    sizes = [(name, size, count) for name, size, count in
             [("4 KiB", 4096, 1), ("4 KiB, 1000 files", 4096, 1000),
              ("1 MiB", 1 << 20, 1), ("1 MiB, 200 files", 1 << 20, 200)]]
    script = work / "fetch.lua"
    script.write_text(LUA_FETCH)
    static = work / "static"
    static.mkdir()
    extra = ["--log-level", "error"] if options.no_log else []
    with rig.Server(options.artifact, work / "fetched", extra) as server, \
            rig.Nginx(work / "nginx", static, log=not options.no_log) as nginx:
        if options.worker:
            server.headers = credentials.headers(server, *credentials.register(server))
        for name, size, count in sizes:
            if options.only and options.only not in name:
                continue
            uris, paths = [], []
            for number in range(count):
                content = os.urandom(size)
                uris.append(server.deposit(content))
                file = static / f"{size}-{count}-{number}"
                file.write_bytes(content)
                paths.append(f"/{file.name}")
            quoted = [f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}" for uri in uris]
            ours, theirs = work / "ours.txt", work / "theirs.txt"
            ours.write_text("\n".join(quoted) + "\n")
            theirs.write_text("\n".join(paths) + "\n")
            subjects = {
                "artifact": lambda: wrk(server.pid, server.address, "/", server.headers, script, [str(ours)], options),
                "nginx": lambda: wrk(nginx.pid, nginx.address, "/", {}, script, [str(theirs)], options),
            }
            row(f"fetch {name}", subjects)


def deposits(work, options, row):
    script = work / "deposit.lua"
    script.write_text(LUA_DEPOSIT)
    extra = ["--log-level", "error"] if options.no_log else []
    alone = work / "alone"

    def backend():
        out = subprocess.run([options.store_rate, alone, "4096", str(options.connections), str(options.seconds)],
                             check=True, capture_output=True, text=True).stdout
        return float(out), "-", 0

    with rig.Server(options.artifact, work / "deposited", extra) as server:
        if options.worker:
            server.headers = credentials.headers(server, *credentials.register(server))
        row("deposit 4 KiB", {
            "artifact": lambda: wrk(server.pid, server.address, server.artifacts, server.headers, script, [], options),
            "backend alone": backend,
        })


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    release = root / "target/release"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", default=release / "artifact", type=pathlib.Path)
    parser.add_argument("--store-rate", default=release / "examples/store_rate", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target", help="where to work; a new folder is made in it")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-log", action="store_true", help="neither side writes a line a request")
    parser.add_argument("--worker", action="store_true", help="as a worker, not as the administrator")
    parser.add_argument("--only", help="only the cells with this in their name")
    parser.add_argument("what", nargs="*", default=["fetch", "deposit"])
    options = parser.parse_args()

    print(rig.machine(options.dir))
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s by turns, "
          f"median; {'no log' if options.no_log else 'a line of log a request'}\n")
    print("| what | ours, 1/s | p99 | CPU, us | peer, 1/s | p99 | CPU, us | ratio | rounds |")
    print("|---|---|---|---|---|---|---|---|---|")

    def row(name, subjects):
        rates = {subject: [] for subject in subjects}
        late, costs = {}, {subject: [] for subject in subjects}
        for _ in range(options.rounds):
            for subject, measure in subjects.items():
                rate, late[subject], cost = measure()
                rates[subject].append(rate)
                costs[subject].append(cost)
        ours, peer = rates
        ratios = [a / b for a, b in zip(rates[ours], rates[peer])]
        cells = [f"{statistics.median(rates[of]):,.0f} | {late[of]} | {statistics.median(costs[of]):.0f}"
                 for of in (ours, peer)]
        print(f"| {name} | {cells[0]} | {peer} {cells[1]} "
              f"| {statistics.median(ratios):.2f} | {' '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)

    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir))
    try:
        if "fetch" in options.what:
            fetches(work, options, row)
        if "deposit" in options.what:
            deposits(work, options, row)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
