#!/usr/bin/env python3
"""Measures what a credential costs a request, and what a flood of wrong credentials costs other clients.

Cost: wrk reads the experiment, as the administrator (a hash and a comparison) and as a worker whose token is
known (a look at the version of the rights in the database); the two take turns. Before that, what the first request of a worker takes
after a restart, when its token has to be verified by argon2.

Flood: wrong tokens, each another one, at a fixed rate over keep-alive connections, half of them of a worker
that is there and half of one that is not. A good worker asks at a fixed rate from a process of its own; its
latencies before and during.

    cargo build --release -p artifact-cli
    python3 bench/http/credentials.py            # --help lists the options
"""

import argparse
import collections
import json
import multiprocessing
import pathlib
import re
import secrets
import statistics
import subprocess
import tempfile
import threading
import time

import rig


def register(server):
    connection = server.connect()
    connection.request("POST", f"/v0/experiments/{server.experiment}/workers", "{}", server.headers)
    worker = json.loads(connection.getresponse().read())
    return worker["worker_id"], worker["registration_token"]


def headers(server, principal, token):
    return {"Authorization": f"Bearer {principal}:{token}", "X-Eden-Experiment-Id": server.experiment}


def ask(connection, path, fields):
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def wrk(server, path, fields, seconds):
    command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency"]
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    before = rig.cpu_seconds(server.pid)
    out = subprocess.run(command + [f"http://{server.address}{path}"], check=True, capture_output=True, text=True).stdout
    spent = rig.cpu_seconds(server.pid) - before
    if "Non-2xx" in out:
        raise SystemExit(out)
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return requests / seconds, spent / requests * 1e6


def paced(rate, seconds):
    """Yields the times at which to send a request, independent of the last response."""
    start = time.perf_counter()
    for n in range(int(rate * seconds)):
        due = start + n / rate
        time.sleep(max(0, due - time.perf_counter()))
        yield due


def good(address, path, fields, rate, seconds, out):
    """Returns latencies in milliseconds since a request was due, so that a stall counts for every request it delays."""
    import http.client
    connection = http.client.HTTPConnection(address, timeout=30)
    latencies = []
    for due in paced(rate, seconds):
        if ask(connection, path, fields) != 200:
            raise SystemExit("a good client was refused")
        latencies.append((time.perf_counter() - due) * 1e3)
    out.put(latencies)


def flood(server, path, principals, rate, seconds, statuses):
    """The work of one of several threads."""
    connection = server.connect()
    for n, _ in enumerate(paced(rate, seconds)):
        fields = headers(server, principals[n % 2], secrets.token_urlsafe(32))
        statuses[ask(connection, path, fields)] += 1


def measure(server, path, fields, options):
    out = multiprocessing.Queue()
    client = multiprocessing.Process(target=good, args=(server.address, path, fields, options.rate, options.seconds, out))
    client.start()
    latencies = sorted(out.get(timeout=options.seconds + 60))
    client.join()
    return latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100], latencies[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/artifact")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=200, help="requests a second of the good worker")
    parser.add_argument("--wrong", type=int, nargs="*", default=[500, 2000], help="wrong tokens a second")
    parser.add_argument("--folder", default=".")
    options = parser.parse_args()
    binary = pathlib.Path(options.binary).resolve()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(rig.machine(folder))
        with rig.Server(binary, f"{folder}/server", ["--log-level", "warn"]) as server:
            path = f"/v0/experiments/{server.experiment}"
            principal, token = register(server)
            known = headers(server, principal, token)
            figures = collections.defaultdict(list)
            for _ in range(options.rounds):
                for who, fields in ("admin", server.headers), ("worker", known):
                    figures[who].append(wrk(server, path, fields, options.seconds))
            for who, rounds in figures.items():
                rate, cost = (statistics.median(column) for column in zip(*rounds))
                print(f"{who:>7}: {rate:8.0f} requests/s, {cost:5.0f} us of processor each")

            connection = server.connect()
            took = []
            for _ in range(50):
                start = time.perf_counter()
                ask(connection, path, headers(server, principal, secrets.token_urlsafe(32)))
                took.append((time.perf_counter() - start) * 1e3)
            print(f"a token that is not known yet: {statistics.median(took):.2f} ms")

            for wrong in [0, *options.wrong]:
                statuses = collections.Counter()
                principals = [principal, "wkr_00000000000000000000000000"]
                before, start = rig.cpu_seconds(server.pid), time.perf_counter()
                threads = [
                    threading.Thread(target=flood, args=(server, path, principals, wrong / 8, options.seconds, statuses))
                    for _ in range(8 if wrong else 0)
                ]
                for thread in threads:
                    thread.start()
                median, late, worst = measure(server, path, known, options)
                for thread in threads:
                    thread.join()
                cores = (rig.cpu_seconds(server.pid) - before) / (time.perf_counter() - start)
                print(f"with {wrong:5} wrong tokens a second: p50 {median:.2f} ms, p99 {late:.2f} ms, worst {worst:.2f} ms; "
                      f"{cores:.2f} cores; the wrong ones were answered {dict(statuses)}")


if __name__ == "__main__":
    main()
