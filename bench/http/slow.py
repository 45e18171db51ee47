#!/usr/bin/env python3
"""Measures what a healthy client sees while 1,000 slow ones hold connections, in the three modes of slowhttptest.

A healthy client fetches 4 KiB over one connection, again and again, and its 99th percentile is taken
before and during each attack:

    headers   the header of a request comes drop by drop (slowloris, -H)
    body      a body comes drop by drop (R-U-Dead-Yet, -B)
    read      an answer of 64 MiB is taken drop by drop (-X)

    cargo build --release -p artifact-cli
    python3 bench/http/slow.py            # needs slowhttptest
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

import rig


class Healthy:
    """A client with one connection."""

    def __init__(self, server, uri):
        self.server, self.path = server, f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}"

    def measure(self, seconds):
        """Returns the number of fetches, the 50th and 99th percentile and the maximum in milliseconds, and the failures."""
        times, failed, connection = [], 0, None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                connection = connection or self.server.connect(timeout=30)
                connection.request("GET", self.path, headers=self.server.headers)
                answer = connection.getresponse()
                if answer.status != 200 or len(answer.read()) != 4096:
                    failed += 1
            except OSError:
                failed, connection = failed + 1, None
            times.append(1000 * (time.monotonic() - began))
            time.sleep(0.001)
        times.sort()
        return len(times), times[len(times) // 2], times[len(times) * 99 // 100], times[-1], failed


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", default=root / "target/release/artifact", type=pathlib.Path)
    parser.add_argument("--dir", default=root / "target")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--server", action="append", default=[], help="a further argument of `artifact serve`")
    options = parser.parse_args()

    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-http-", dir=options.dir))
    print(rig.machine(options.dir))
    print(f"{options.connections} slow connections\n")
    print("| slow | healthy fetches | median, ms | p99 before, ms | p99 during, ms | worst, ms | failed | sockets open "
          "| memory idle, during |")
    print("|---|---|---|---|---|---|---|---|---|")
    try:
        for mode in ("headers", "body", "read"):
            with rig.Server(options.artifact, work / mode, ["--log-level", "error", *options.server]) as server:
                healthy = Healthy(server, server.deposit(b"x" * 4096))
                large = server.deposit(b"y" * (64 << 20))
                idle = server.memory("VmRSS")
                before = healthy.measure(5)
                # slowhttptest passes the values of -f and -t on unchanged, so each can carry extra header lines.
                url = f"http://{server.address}"
                common = ["-c", str(options.connections), "-r", "500", "-l", str(options.seconds + 5), "-p", "5"]
                large = f"{url}{server.artifacts}?uri={urllib.parse.quote(large, safe='')}"
                # slowhttptest can only add a header field inside the value of -m (the accepted types).
                field = f"*/*\r\nAuthorization: Bearer admin:{server.token}\r\nX-Eden-Experiment-Id: default"
                attack = {
                    "headers": ["-H", "-i", "5", "-t", "GET", "-u", f"{url}{server.artifacts}", *common],
                    "body": ["-B", "-i", "5", "-s", "1048576", "-m", field, "-f",
                             "multipart/form-data; boundary=b", "-u", f"{url}{server.artifacts}", *common],
                    "read": ["-X", "-w", "16", "-y", "64", "-n", "5", "-z", "4", "-m", field, "-u", large, *common],
                }[mode]
                attacker = subprocess.Popen(["slowhttptest", *attack], stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True)
                time.sleep(3)
                during = healthy.measure(options.seconds - 4)
                sockets = open_sockets(server.pid)
                memory = server.memory("VmRSS")
                attacker.communicate(timeout=120)
                after = server.memory("VmHWM")
                print(f"| {mode} | {during[0]} | {during[1]:.1f} | {before[2]:.1f} | {during[2]:.1f} | {during[3]:.1f} "
                      f"| {during[4]} | {sockets} "
                      f"| {idle >> 20} MiB, {memory >> 20} MiB (peak {after >> 20}) |", flush=True)
    finally:
        shutil.rmtree(work)


def open_sockets(pid):
    """Returns the number of open sockets of the process, including listening and log sockets."""
    found = 0
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(entry).startswith("socket:")
        except OSError:
            pass
    return found


if __name__ == "__main__":
    sys.exit(main())
