"""Verifies receipts of artifacts with another implementation: Python's standard library, and Ed25519 of the package `cryptography`.

    python receipts.py KEY RECEIPT [FILE]

KEY is a public key as `artifact receipt public-key` prints it. Exits with 0 if the receipt has a proof, all signatures are good and FILE, if it is
given, is the artifact; otherwise with 1. Written from docs/formats.md, https://c2sp.org and RFC 6962, without the Rust code.
"""

import base64
import binascii
import hashlib
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PROOF = "c2sp.org/tlog-proof@v1"
LINES = ["log", "uri", "experiment", "depositor", "size", "sha256", "created", "salt"]


class Bad(Exception):
    """The receipt is not good."""


def check(condition, why):
    if not condition:
        raise Bad(why)


def decode(text):
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Bad("not Base64") from error
    # Python accepts bits after the last byte.
    check(base64.b64encode(data).decode() == text, "not canonical Base64")
    return data


class Key:
    def __init__(self, text):
        self.name, key_id, key = text.split("+", 2)
        data = decode(key)
        check(len(data) == 33 and data[0] == 1, "not an Ed25519 key")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        check(self.id.hex() == key_id, "the key has another id")
        self.public = Ed25519PublicKey.from_public_bytes(data[1:])


def read_note(note, key):
    """Returns the text of a signed note, once its signature is verified."""
    check(not re.search("[\x00-\x09\x0b-\x1f]", note), "control characters")
    before, separator, signatures = note.rpartition("\n\n")
    check(separator and signatures.endswith("\n"), "not a note")
    text, signed = before + "\n", False
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("— ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        check(match, "not a signature")
        name, data = match[1], decode(match[2])
        if (name, data[:4]) != (key.name, key.id):
            continue
        try:
            key.public.verify(data[4:], text.encode())
        except InvalidSignature as error:
            raise Bad("a signature is wrong") from error
        signed = True
    check(signed, "not signed by the key")
    return text


def read_statement(text, key):
    check(text.startswith("artifact receipt v1\n"), "not a receipt")
    values = [line.split(" ", 1) for line in text.split("\n")[1:-1]]
    check([value[0] for value in values] == LINES, "other lines than those of version 1")
    statement = dict(values)
    check(statement["log"] == key.name, "of another log")
    check(re.fullmatch("eden://artifacts/[0-9a-f]{32}", statement["uri"]), "not a URI")
    check(re.fullmatch("0|[1-9][0-9]*", statement["size"]), "not a size")
    return statement


def read_checkpoint(text, key):
    lines = text[:-1].split("\n")
    check(len(lines) >= 3 and all(lines), "not a checkpoint")
    check(lines[0] == key.name, "of another log")
    check(re.fullmatch("0|[1-9][0-9]*", lines[1]), "not a size")
    root = decode(lines[2])
    check(len(root) == 32, "not a hash")
    return int(lines[1]), root


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaf, index, size, path):
    """Returns the root that a path of hashes leads to (RFC 6962, section 2.1.1), by recursion from the top."""
    if size == 1:
        check(not path, "too many hashes")
        return leaf
    check(path, "too few hashes")
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return node(root_of(leaf, index, split, path[:-1]), path[-1])
    return node(path[-1], root_of(leaf, index - split, size - split, path[:-1]))


def verify(key, receipt, content=None):
    """Returns what the receipt says, with the index of its entry and the size of the tree."""
    note, separator, proof = receipt.partition(f"\n\n{PROOF}\n")
    check(separator, "there is no proof")
    text = read_note(note + "\n", key)
    statement = read_statement(text, key)

    lines, separator, checkpoint = proof.partition("\n\n")
    check(separator, "not a proof")
    lines = lines.split("\n")
    if lines[0].startswith("extra "):
        lines.pop(0)
    index = re.fullmatch("index (0|[1-9][0-9]*)", lines.pop(0))
    check(index, "no index")
    size, root = read_checkpoint(read_note(checkpoint, key), key)
    index, path = int(index[1]), [decode(line) for line in lines]
    check(index < size and len(path) <= 64, "the tree has no such entry")
    leaf = hashlib.sha256(b"\0" + text.encode()).digest()
    check(root_of(leaf, index, size, path) == root, "the proof does not lead to the checkpoint")

    if content is not None:
        check(len(content) == int(statement["size"]), "the file has another size")
        check(hashlib.sha256(content).hexdigest() == statement["sha256"], "the file has another SHA-256")
    return statement | {"index": index, "tree_size": size}


def refuses(key, receipt, content=None):
    try:
        verify(key, receipt, content)
    except Bad:
        return True
    return False


def accepted_changes(key, data):
    """Returns the changes of one bit that the verification does not notice."""
    found = []
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            if not refuses(key, text):
                found.append((place, bit))
    return found


def main():
    key, receipt = Key(sys.argv[1]), pathlib.Path(sys.argv[2]).read_bytes().decode()
    content = pathlib.Path(sys.argv[3]).read_bytes() if len(sys.argv) > 3 else None
    try:
        found = verify(key, receipt, content)
    except Bad as error:
        sys.exit(f"the receipt is not good: {error}")
    for name, value in found.items():
        print(name, value)


if __name__ == "__main__":
    main()
