#!/usr/bin/env python3
"""Measures what it costs a program to embed a blob store: this project's crates beside object_store and opendal.

Each program in `programs/` does the same work. The script builds each as a package of its own in a temporary folder, with
the dependencies below, runs it, and prints for each program

- its lines without blank lines and comments,
- its crates: distinct names in `cargo tree -e normal` for this target, without the program itself,
- the processor seconds (user and system, all processes) of a `cargo build` with an empty target folder, dev profile, after
  `cargo fetch`: the median of the rounds, and each round.

The builds take turns, and the order changes with the round. The versions are those of bench/Cargo.lock, as far as it has them.

    nice -n 10 python3 bench/embedding/measure.py --rounds 3     # --help lists the options
"""

import argparse
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

FUTURES = 'futures-util = { version = "0.3", default-features = false, features = ["std"] }'
TOKIO = 'tokio = { version = "1", features = ["macros", "rt-multi-thread"] }'
BACKEND = f'artifact-backend = {{ path = "{ROOT}/artifact-backend" }}'
FILE, MEMORY = "file://{folder}", "mem:"


def dependency(name, source, features):
    listed = ", ".join(f'"{feature}"' for feature in features)
    return f"{name} = {{ {source}, default-features = false, features = [{listed}] }}"


def ours(name, *features):
    return [BACKEND, dependency(name, f'path = "{ROOT}/{name}"', features)]


def object_store(*features):
    return [dependency("object_store", 'version = "=0.14.2"', features), 'url = "2"']


def opendal(*features):
    return [dependency("opendal", 'version = "=0.59.5"', features)]


# The row of the table, the source, the dependencies besides futures-util and tokio, and the URL.
PROGRAMS = [
    ("folder: artifact-open", "artifact", ours("artifact-open", "fs"), FILE),
    ("folder: artifact-backend-fs", "artifact_fs", ours("artifact-backend-fs"), "{folder}"),
    ("folder: object_store", "object_store", object_store("fs"), FILE),
    ("folder: object_store, durable", "object_store_durable", object_store("fs"), FILE),
    ("folder: opendal", "opendal", opendal("services-fs"), FILE),
    ("folder: opendal, durable", "opendal_durable", [*opendal("services-fs"), 'rand = "0.10"'], FILE),
    ("memory: artifact-open", "artifact", ours("artifact-open", "mem"), MEMORY),
    ("memory: object_store", "object_store", object_store(), "memory:///"),
    ("memory: opendal", "opendal", opendal(), "memory://localhost/"),
]


def cargo(package, *arguments, **options):
    return subprocess.run(["cargo", *arguments], cwd=package, check=True, text=True, **options)


def create(package, source, dependencies):
    """Creates a package outside every workspace, and downloads what it needs."""
    (package / "src").mkdir(parents=True)
    shutil.copy(HERE / f"programs/{source}.rs", package / "src/main.rs")
    shutil.copy(ROOT / "bench/Cargo.lock", package)
    lines = "\n".join([*dependencies, FUTURES, TOKIO])
    (package / "Cargo.toml").write_text(f"""[package]
name = "program"
version = "0.0.0"
edition = "2024"

[dependencies]
{lines}

[workspace]
""")
    cargo(package, "fetch", "--quiet")


def lines(package):
    text = (package / "src/main.rs").read_text()
    stripped = (line.strip() for line in text.splitlines())
    return sum(1 for line in stripped if line and not line.startswith("//"))


def crates(package):
    tree = cargo(package, "tree", "-e", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}", capture_output=True)
    names = {line.split()[0] for line in tree.stdout.splitlines() if line}
    return len(names - {"program"})


def build(package):
    """Returns the processor seconds of a build with an empty target folder."""
    shutil.rmtree(package / "target", ignore_errors=True)

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    cargo(package, "build", "--quiet", "--offline")
    return spent() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="the number of cold builds of each program (default: 3); 0 counts only")
    parser.add_argument("--only", default="", help="measure only the rows that match this regular expression")
    options = parser.parse_args()

    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    rustc = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{os.cpu_count()} cores of {model}; Linux {platform.release()}; {rustc}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as work:
        rows = []
        for number, (name, source, dependencies, url) in enumerate(PROGRAMS):
            if re.search(options.only, name):
                package = pathlib.Path(work) / str(number)
                create(package, source, dependencies)
                rows.append((name, package, url, []))
        for turn in range(options.rounds):
            for name, package, url, seconds in rows if turn % 2 == 0 else reversed(rows):
                seconds.append(build(package))
                print(f"{name}: {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
                if turn == 0:
                    subprocess.run([package / "target/debug/program", url.format(folder=package / "blobs")], check=True)
                shutil.rmtree(package / "target")
        print("\n| program | lines | crates | cold build, CPU s | rounds |\n|---|---|---|---|---|")
        for name, package, _, seconds in rows:
            each = " ".join(f"{value:.1f}" for value in seconds)
            median = f"{statistics.median(seconds):.1f}" if seconds else "-"
            print(f"| {name} | {lines(package)} | {crates(package)} | {median} | {each} |", flush=True)


if __name__ == "__main__":
    main()
