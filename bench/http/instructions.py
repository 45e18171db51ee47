#!/usr/bin/env python3
"""Counts the instructions in user space that a fetch of 4 KiB costs the server, with valgrind's callgrind.

Unlike rates and processor time, the count does not depend on what else the machine does: two runs differ by less than
2 %. It leaves out the kernel. Valgrind has no RESOLVE_CACHED, so each fetch also hops to the blocking pool, which it does
not do outside of valgrind. The profile stays in the file that --out names:

    callgrind_annotate --inclusive=yes OUT.1      # per function
    callgrind_annotate --tree=caller OUT.1        # per caller

    python3 bench/http/instructions.py target/release/artifact     # --help lists the options
"""

import argparse
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.parse

import credentials
import rig


def control(server, *command):
    subprocess.run(["callgrind_control", *command, str(server.pid)], check=True, capture_output=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, nargs="+")
    parser.add_argument("--fetches", type=int, default=300)
    parser.add_argument("--worker", action="store_true", help="as a worker, not as the administrator")
    parser.add_argument("--out", default="callgrind.out", help="where the profile of the last binary is written")
    options = parser.parse_args()
    out = pathlib.Path(options.out).resolve()
    # Otherwise the server sets it and starts itself again.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "131072")
    for binary in options.binary:
        for old in out.parent.glob(f"{out.name}*"):
            old.unlink()
        with tempfile.TemporaryDirectory() as folder:
            wrapper = pathlib.Path(folder) / "serve"
            wrapper.write_text(f"#!/bin/sh\nexec valgrind -q --tool=callgrind --callgrind-out-file={out} "
                               f"--instr-atstart=no {binary.resolve()} \"$@\"\n")
            wrapper.chmod(0o700)
            with rig.Server(wrapper, f"{folder}/server") as server:
                if options.worker:
                    server.headers = credentials.headers(server, *credentials.register(server))
                uri = urllib.parse.quote(server.deposit(os.urandom(4096)), safe="")
                connection = server.connect()

                def fetch(times):
                    for _ in range(times):
                        credentials.ask(connection, f"{server.artifacts}?uri={uri}", server.headers)

                # An artifact is kept in memory only if its file was not changed just now.
                time.sleep(0.2)
                fetch(30)
                control(server, "--instr=on")
                fetch(50)
                control(server, "--zero")
                fetch(options.fetches)
                control(server, "--dump")
                control(server, "--instr=off")
        total = int(re.search(r"^(?:totals|summary): (\d+)", pathlib.Path(f"{out}.1").read_text(), re.M).group(1))
        print(f"{binary}: {total / options.fetches:,.0f} instructions per fetch")


if __name__ == "__main__":
    main()
