"""Makes and verifies messages of C2SP chunked-encryption with another implementation: the module `cobblestone` of the
package `cryptography`, from version 50 on.

    pip install 'cryptography>=50'
    python vectors.py make theirs       # writes the messages that tests/it/vectors.rs reads
    python vectors.py verify ours       # checks the messages that examples/write_messages.rs wrote

A file's name says the bits of the key and the plain bytes.
"""

import pathlib
import sys

from cryptography import cobblestone

NAMES = ["128-0", "128-1", "128-16383", "128-16384", "128-32769", "256-0", "256-20480"]
# The context of a blob is its id.
CONTEXT = bytes(range(0xA0, 0xB0))


def parameters(name):
    bits, size = map(int, name.split("-"))
    plain = bytes((position * 31 + position // 256) % 256 for position in range(size))
    return bits, bytes(range(bits // 8)), plain


def make(folder):
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        bits, key, plain = parameters(name)
        encryptor = getattr(cobblestone, f"Cobblestone{bits}Encryptor")(key, CONTEXT)
        message = encryptor.update(plain) + encryptor.finalize()
        (folder / f"{name}.bin").write_bytes(message)


def verify(folder):
    for name in NAMES:
        bits, key, plain = parameters(name)
        message = (folder / f"{name}.bin").read_bytes()
        decryptor = getattr(cobblestone, f"Cobblestone{bits}Decryptor")(key, CONTEXT)
        if decryptor.update(message) + decryptor.finalize() != plain:
            sys.exit(f"{folder / name}: other bytes came out")
    print(f"{len(NAMES)} messages in {folder} are right")


if __name__ == "__main__":
    action, folder = sys.argv[1:]
    {"make": make, "verify": verify}[action](pathlib.Path(folder))
