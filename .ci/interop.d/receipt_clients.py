"""Receipts of a real server, verified by `receipts.py` and by `artifact receipt verify`."""

import os
import subprocess

import receipts
import rig


def command(binary, *arguments, **options):
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def second_implementation(binary, work):
    binary = os.path.abspath(binary)
    key_file = work / "receipt.key"
    made = command(binary, "receipt", "keygen", "example.com/interop", "-o", key_file)
    assert made.returncode == 0, made
    public = made.stdout.strip()
    key = receipts.Key(public)
    with rig.Server(binary, work / "receipts", ["--receipt-key", key_file]) as server:
        environment = {**os.environ, "ARTIFACT_SERVER": f"http://{server.address}", "ARTIFACT_ADMIN_TOKEN": server.token}
        for number in range(300):
            server.deposit(b"%d" % number)
        for size in (0, 1, 100_000):
            file, receipt = work / f"{size}.bin", work / f"{size}.receipt"
            content = os.urandom(size)
            file.write_bytes(content)
            put = command(binary, "put", file, "--receipt", receipt, env=environment)
            assert put.returncode == 0, put
            text = receipt.read_text()
            found = receipts.verify(key, text, content)
            assert found["uri"] == put.stdout.strip() and found["depositor"] == "admin", found
            assert found["index"] >= 300 and found["tree_size"] > found["index"], found
            verify = [binary, "receipt", "verify", "--key", public, receipt, file]
            assert command(*verify).returncode == 0
            assert receipts.refuses(key, text, content + b"x")
            file.write_bytes(content + b"x")
            assert command(*verify).returncode == 1
        other = command(binary, "receipt", "keygen", "example.com/interop", "-o", work / "other.key").stdout.strip()
        assert receipts.refuses(receipts.Key(other), text)
        accepted = receipts.accepted_changes(key, text.encode())
        assert accepted == [], accepted
    print("receipts: Python verifies them, and notices each changed bit")
