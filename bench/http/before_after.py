#!/usr/bin/env python3
"""Compares two builds of this project, side by side in one run.

Measures stores of 4 KiB in a folder (examples/store_rate.rs), and deposits, fetches, lists and ranges over HTTP (wrk). The
two builds take turns in each round, and the order changes with the round. The table shows the median rates, and the median of
the rounds' ratios.

    cargo build --release -p artifact-cli
    cargo build --release -p artifact-backend-fs --example store_rate
    python3 bench/http/before_after.py --before OTHER/target/release     # --help lists the options
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import urllib.parse

import compare
import rig

NAMES = ("before", "after")

# Each thread of wrk has its own environment, so the address of a table makes its keys its own.
LUA_KEYED = """
local body, count = string.rep("x", 4096), 0
local unique = tostring({}):gsub("[^%w]", "") .. os.time()
request = function()
  count = count + 1
  return wrk.format("POST", nil, {["Idempotency-Key"] = unique .. "-" .. count, ["Authorization"] = wrk.headers["Authorization"]}, body)
end
"""


def measure(options, work):
    """Yields the name of each cell and, for each build, a function that returns rate and CPU time per request."""
    release = {"before": options.before, "after": options.after}

    def store(name, callers):
        def run():
            out = subprocess.run([release[name] / "examples/store_rate", work / f"stored-{name}", "4096", str(callers),
                                  str(options.seconds)], check=True, capture_output=True, text=True).stdout
            return float(out), 0
        return run

    for callers in (1, 16):
        yield f"store 4 KiB, {callers} caller{'s' * (callers > 1)}", {name: store(name, callers) for name in NAMES}

    fetch = work / "fetch.lua"
    fetch.write_text(compare.LUA_FETCH)
    ranges = {"64 KiB": (131_072, 196_607), "1,000 bytes": (500_000, 500_999)}
    with rig.Server(release["before"] / "artifact", work / "before") as before, \
            rig.Server(release["after"] / "artifact", work / "after") as after:
        servers = dict(zip(NAMES, (before, after)))

        def wrk(server, path, script, args, options=options):
            def run():
                rate, _, cost = compare.wrk(server.pid, server.address, path, server.headers, script, args, options)
                return rate, cost
            return run

        for label, size in [("4 KiB", 4096), ("1 MiB", 1 << 20)]:
            post = work / f"deposit-{size}.lua"
            post.write_text(compare.LUA_DEPOSIT.replace("4096", str(size)))
            yield f"deposit {label}", {name: wrk(of, of.artifacts, post, []) for name, of in servers.items()}
        keyed = work / "keyed.lua"
        keyed.write_text(LUA_KEYED)
        yield "deposit 4 KiB under /v1 with a key", {
            name: wrk(of, of.artifacts.replace("/v0/", "/v1/"), keyed, []) for name, of in servers.items()}
        for label, size, count in [("4 KiB", 4096, 1), ("4 KiB, 1000 artifacts", 4096, 1000), ("1 MiB", 1 << 20, 1)]:
            subjects = {}
            for name, server in servers.items():
                paths = work / f"{name}-{size}-{count}.txt"
                uris = [server.deposit(os.urandom(size)) for _ in range(count)]
                paths.write_text("".join(f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}\n" for uri in uris))
                subjects[name] = wrk(server, "/", fetch, [str(paths)])
            yield f"fetch {label}", subjects
        # A principal may have 16 lists at once.
        few = argparse.Namespace(**{**vars(options), "connections": min(options.connections, 8)})
        lists = {}
        for name, server in servers.items():
            paths = work / f"{name}-list.txt"
            paths.write_text(server.artifacts.replace("/v0/", "/v1/") + "?limit=1000\n")
            lists[name] = wrk(server, "/", fetch, [str(paths)], few)
        yield f"list of 1,000 artifacts, {few.connections} connections", lists
        for label, (first, last) in ranges.items():
            ranged = work / f"range-{first}.lua"
            ranged.write_text(compare.LUA_FETCH + f'wrk.headers["Range"] = "bytes={first}-{last}"\n')
            yield f"range of {label} of 1 MiB", {
                name: wrk(server, "/", ranged, [str(work / f"{name}-{1 << 20}-1.txt")]) for name, server in servers.items()}


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, type=pathlib.Path, help="release folder of the earlier build")
    parser.add_argument("--after", default=root / "target/release", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target", help="where to work; a new folder is made in it")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="measure only what contains this text, such as \"deposit\"")
    options = parser.parse_args()

    print(rig.machine(options.dir))
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s by turns, median\n")
    print("| work | before, 1/s | CPU, us | after, 1/s | CPU, us | after / before | rounds |")
    print("|---|---|---|---|---|---|---|")
    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=options.dir))
    try:
        for label, subjects in measure(options, work):
            if options.only not in label:
                continue
            results = {name: [] for name in NAMES}
            for number in range(options.rounds):
                for name in NAMES if number % 2 == 0 else reversed(NAMES):
                    results[name].append(subjects[name]())
            ratios = [after[0] / before[0] for before, after in zip(results["before"], results["after"])]
            cells = [f"{statistics.median(rate for rate, _ in results[name]):,.0f} | "
                     f"{statistics.median(cost for _, cost in results[name]):.0f}" for name in NAMES]
            print(f"| {label} | {cells[0]} | {cells[1]} | {statistics.median(ratios):.2f} "
                  f"| {' '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
