"""Forms as three parsers read them: what ours accepts, python-multipart and Werkzeug read the same, or refuse.

    python forms.py PROGRAM     the program is the example `read_forms` of artifact-multipart
"""

import email.message
import email.policy
import logging
import pathlib
import random
import subprocess
import sys

import python_multipart
import python_multipart.exceptions
import python_multipart.multipart
import werkzeug.exceptions
import werkzeug.http
import werkzeug.sansio.multipart

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "fuzz/corpus/multipart"
GENERATED = 20_000

LINES = [b"Content-Type: a/b\r\n", b"X: y\r\n", b"X:\r\n y\r\n", b"\r\n", b"\n", b"\r", b" \r\n", b"Content-Digest: a=:AA==:\r\n"]
PARAMETERS = [b"; ", b";", b";\r\n ", b" ;\t", b'name="file"', b"name=file", b'filename="f"', b"filename=f", b'filename="a\\"',
              b'filename="a\\"b"', b'filename="a\\\\b"', b'filename="C:\\d\\f"', b"filename*=UTF-8''e", b'x="; filename=evil"',
              b'FILENAME="g"', b'x="\\"', b'"', b"\\", b"=", b" ", "filename=\"\u00e4\"".encode(), b'filename=""']
BYTES = [b"\r\n", b"\r", b"\n", b"--", b"--b", b"\r\n--b", b"\n--b", b"\r--b", b"\r\n--b--", b"\r\n--b\r\n", b"x", b" ", b"-", b"\0\xff",
         b"\r\n--bb", b"\n--b--\r\n"]


class Refused(Exception):
    """The parser does not accept the form."""


def by_werkzeug(content_type, body):
    media, options = werkzeug.http.parse_options_header(content_type.decode("latin-1"))
    if media.lower() != "multipart/form-data" or not options.get("boundary"):
        raise Refused("no boundary")
    decoder = werkzeug.sansio.multipart.MultipartDecoder(options["boundary"].encode("latin-1"))
    decoder.receive_data(body)
    decoder.receive_data(None)
    parts = []
    while True:
        try:
            event = decoder.next_event()
        except (ValueError, werkzeug.exceptions.HTTPException) as error:
            raise Refused(str(error)) from error
        if isinstance(event, (werkzeug.sansio.multipart.File, werkzeug.sansio.multipart.Field)):
            parts.append([event.name, getattr(event, "filename", None), b""])
        elif isinstance(event, werkzeug.sansio.multipart.Data):
            parts[-1][2] += event.data
        elif isinstance(event, (werkzeug.sansio.multipart.Epilogue, werkzeug.sansio.multipart.NeedData)):
            return parts


def by_python_multipart(content_type, body):
    _, options = python_multipart.multipart.parse_options_header(content_type)
    if not options.get(b"boundary"):
        raise Refused("no boundary")
    parts, field, ended = [], [b"", b""], []

    def end_of_field():
        if field[0].lower() == b"content-disposition":
            _, found = python_multipart.multipart.parse_options_header(bytes(field[1]))
            name, filename = found.get(b"name"), found.get(b"filename")
            parts[-1][:2] = name and name.decode("latin-1"), filename if filename is None else filename.decode("utf-8", "replace")
        field[:] = b"", b""

    def add(at):
        def callback(data, start, end):
            field[at] += data[start:end]
        return callback

    def data(data, start, end):
        parts[-1][2] += data[start:end]

    parser = python_multipart.MultipartParser(options[b"boundary"], {
        "on_part_begin": lambda: parts.append([None, None, b""]), "on_header_field": add(0), "on_header_value": add(1),
        "on_header_end": end_of_field, "on_part_data": data, "on_end": lambda: ended.append(True)})
    try:
        parser.write(body)
        parser.finalize()
    except python_multipart.exceptions.FormParserError as error:
        raise Refused(str(error)) from error
    if not ended:
        raise Refused("no end")
    return parts


def ours(program, forms):
    """One process reads all of them."""
    forms = list(forms)
    given = b"".join(b"%d\n%s" % (len(form), form) for form in forms)
    lines = subprocess.run([program], input=given, stdout=subprocess.PIPE, check=True, timeout=100).stdout.decode().splitlines()
    assert len(lines) == len(forms), (len(lines), len(forms))

    def bytes_of(digits):
        return bytes.fromhex(digits.replace("--", ""))

    for line in lines:
        verdict, *rest = line.split(" ")
        yield (bytes_of(rest[0]).decode(), bytes_of(rest[1])) if verdict == "accepted" else None


def same_name(oracle, form, name, seen):
    """Whether two file names are equal, apart from what this project decides otherwise."""
    if b"*=" in form:
        return True  # `filename*` is ignored here (RFC 7578, section 4.2); both of them prefer it
    if seen is None:
        return False
    if oracle is by_werkzeug:  # it decodes `%22`, and drops a backslash that escapes nothing
        return name.replace("%22", '"').replace("\\", "") == seen.replace("\\", "")
    return name.rpartition("\\")[2] == seen.rpartition("\\")[2]  # it drops the folders of Windows


def by_email(file_name):
    """A form as Python's `email` writes it: header lines of more than 78 characters are folded."""
    part = email.message.Message(policy=email.policy.compat32.clone(linesep="\r\n"))
    part.add_header("Content-Disposition", "form-data", name="file", filename=file_name)
    written = part.as_bytes()
    assert (b"\r\n " in written) == (len(file_name) > 22), written
    return b"multipart/form-data; boundary=b\n--b\r\n" + written.rstrip() + b"\r\n\r\nx\r\n--b--\r\n"


def generate(chance):
    """A form that is nearly right: up to three words of a kind put in where they may do harm."""
    def some(words, most=3):
        return b"".join(chance.choice(words) for _ in range(chance.randrange(most + 1)))

    head = b'Content-Disposition: form-data; name="file"; filename="f"\r\n'
    if chance.random() < 0.6:
        first, second = b'name="file"', chance.choice(PARAMETERS[6:12])
        if chance.random() < 0.3:
            first, second = second, first
        head = b"Content-Disposition: form-data; " + some(PARAMETERS, 2) + first + chance.choice(PARAMETERS[:4]) + second + some(PARAMETERS) + b"\r\n"
    before = some(LINES, 1) if chance.random() < 0.2 else b""
    preamble = some(BYTES) if chance.random() < 0.2 else b""
    delimiter = b"--b" + (chance.choice([b" ", b"\t", b"x", b"\n", b"--"]) if chance.random() < 0.1 else b"") + b"\r\n"
    body = preamble + delimiter + before + head + some(LINES, 2) + b"\r\n" + some(BYTES, 5) + b"\r\n--b--"
    return b"multipart/form-data; boundary=b\n" + body + chance.choice([b"\r\n", b"", b"\r\n\r\n", some(BYTES)])


def main():
    logging.disable()  # python-multipart warns of each form that it refuses
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    forms = [path.read_bytes() for path in sorted(CORPUS.iterdir())] + [generate(chance) for _ in range(GENERATED)]
    names = ["f" * length for length in (1, 20, 40, 70)]
    for name, parsed in zip(names, ours(sys.argv[1], map(by_email, names)), strict=True):
        assert parsed == (name, b"x"), (name, parsed)
    accepted, refused = 0, {by_werkzeug: 0, by_python_multipart: 0}
    for form, parsed in zip(forms, ours(sys.argv[1], forms), strict=True):
        if parsed is None:
            continue
        accepted += 1
        name, file = parsed
        content_type, _, body = form.partition(b"\n")
        for oracle in refused:
            try:
                parts = oracle(content_type, body)
            except Refused:
                refused[oracle] += 1
                continue
            why = f"{oracle.__name__}, seed {seed}: {form!r} is {parsed} for us and {parts}"
            assert len(parts) == 1, why
            [(field, filename, content)] = parts
            assert content == file, why
            # They do not read a file name with an unescaped backslash at its end, which clients send.
            assert name.endswith("\\") or field == "file" and same_name(oracle, form, name, filename), why
    assert accepted > GENERATED // 20, f"{accepted} of {len(forms)} were accepted"
    for oracle, count in refused.items():
        assert count < accepted // 2, f"{oracle.__name__} refused {count} of {accepted}"
    print(f"forms: {len(forms)} read by three parsers, {accepted} accepted and read the same, "
          f"of which Werkzeug refused {refused[by_werkzeug]} and python-multipart {refused[by_python_multipart]}")


if __name__ == "__main__":
    main()
