#!/usr/bin/env python3
"""Measures what SQLite writes for each leaf of the log of receipts, with batches of several sizes.

Fills the table of leaves with random artifact ids up to a size, then appends 8,000 leaves in batches, one transaction each, and
divides the growth of the write-ahead log by their number. The tables are those of the migration. It does not run the server.

    python3 bench/receipt_batches.py     # --help lists the options
"""

import argparse
import os
import pathlib
import sqlite3
import tempfile

APPENDED = 8_000
INSERT = "INSERT INTO receipt_nodes (level, position, hash, artifact) VALUES (0, ?, ?, ?)"


def leaves(first, count):
    return ((first + number, os.urandom(32), os.urandom(16)) for number in range(count))


def bytes_for_each(schema, folder, size, batch):
    """Returns the bytes that the write-ahead log grows by for each leaf."""
    path = pathlib.Path(folder, f"{size}-{batch}.sqlite")
    database = sqlite3.connect(path, isolation_level=None)
    # SQLite has it since 3.43, and Python may have an older one.
    database.create_function("octet_length", 1, len, deterministic=True)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(schema)
    database.execute("BEGIN")
    database.executemany(INSERT, leaves(0, size))
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Without a checkpoint the file only grows.
    database.execute("PRAGMA wal_autocheckpoint = 0")
    for first in range(size, size + APPENDED, batch):
        database.execute("BEGIN")
        database.executemany(INSERT, leaves(first, min(batch, size + APPENDED - first)))
        database.execute("COMMIT")
    grown = pathlib.Path(f"{path}-wal").stat().st_size
    database.close()
    path.unlink()
    return grown / APPENDED


def main():
    root = pathlib.Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000, 400_000])
    parser.add_argument("--batches", type=int, nargs="+", default=[1_000, 2_000, 4_000])
    options = parser.parse_args()
    schema = (root / "artifact-store/src/database/sqlite/migrations/0021_receipts.sql").read_text()
    print(f"SQLite {sqlite3.sqlite_version}; bytes of the write-ahead log for each leaf\n")
    print("| leaves in the log |" + "".join(f" batches of {batch:,} |" for batch in options.batches))
    print("|---|" + "---|" * len(options.batches))
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            row = [bytes_for_each(schema, folder, size, batch) for batch in options.batches]
            print(f"| {size:,} |" + "".join(f" {each:,.0f} |" for each in row), flush=True)


if __name__ == "__main__":
    main()
