"""Two independent HTTP parsers agree on every response: no file name or content type splits one."""

import socket
import urllib.parse

import h11
import httptools

import json

ODD = [
    ('x"; filename="y', "text/plain"),
    ("a\\\r\\\nSet-Cookie: a=b", "text/plain"),
    ("a%0d%0aX-Split: 1", "text/html; charset=\"%0d%0a\""),
    ("n\u2028l\u0085s.txt", "text/plain\x0bX: y"),
    ("tab\tname", "application/octet-stream\t; a=b"),
    ("../../etc/passwd", "multipart/byteranges; boundary=b"),
    ("ünï", "text/plain\x00"),
]


def deposit(server, name, kind):
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.replace('"', "%22").encode()
            + b'"\r\nContent-Type: ' + kind.encode("latin-1") + b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\nforged\r\n--b--\r\n")
    connection = server.connect()
    connection.request("POST", server.artifacts, body,
                       {**server.headers, "Content-Type": "multipart/form-data; boundary=b"})
    answer = connection.getresponse()
    return answer.status, answer.read()


class Seen:
    """Collects the responses that httptools finds."""

    def __init__(self):
        self.answers = []

    def on_message_begin(self):
        self.headers, self.body = [], b""

    def on_header(self, name, value):
        self.headers.append((name.lower(), value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.answers.append((self.parser.get_status_code(), self.headers, self.body))


def by_httptools(raw):
    seen = Seen()
    seen.parser = httptools.HttpResponseParser(seen)
    seen.parser.feed_data(raw)
    return seen.answers


def by_h11(raw, requests):
    connection, answers = h11.Connection(h11.CLIENT), []
    connection.receive_data(raw)
    for _ in range(requests):
        connection.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
        connection.send(h11.EndOfMessage())
        body = b""
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                head = (event.status_code, [(bytes(name), bytes(value)) for name, value in event.headers])
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                answers.append((*head, body))
                break
            else:
                raise AssertionError(f"{event} after {answers}")
        if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
            connection.start_next_cycle()
    assert connection.trailing_data[0] == b"", connection.trailing_data
    return answers


def no_answer_is_split(server):
    uris, refused = [], 0
    for name, kind in ODD:
        status, body = deposit(server, name, kind)
        assert status in (201, 400), (name, status, body)
        if status == 201:
            uris.append(json.loads(body)["artifacts_uri"])
        else:
            refused += 1
    assert len(uris) >= 4, f"{refused} of {len(ODD)} were refused"
    paths = [f"{server.artifacts}?uri={urllib.parse.quote(uri, safe='')}" for uri in uris]
    # Requests for missing artifacts, with text that a problem response might echo.
    odd = ["?uri=%0d%0aX-Split:%201", "/%0d%0a%0d%0aHTTP/1.1%20200%20OK", "?uri=" + "%00" * 20]
    paths += [server.artifacts + more for more in odd]
    fields = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
    requests = [f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n{fields}" for path in paths]
    wire = "\r\n".join(requests) + "Connection: close\r\n\r\n"
    with socket.create_connection(server.address.split(":"), timeout=30) as stream:
        stream.sendall(wire.encode())
        raw = b""
        while piece := stream.recv(1 << 16):
            raw += piece

    first, second = by_httptools(raw), by_h11(raw, len(paths))
    assert first == second, (first, second)
    assert [status for status, _, _ in first] == [200] * len(uris) + [404] * len(odd), first
    for status, headers, body in first:
        names = [name for name, _ in headers]
        assert len(names) == len(set(names)), f"a field comes twice: {headers}"
        assert not {b"set-cookie", b"x-split", b"x"} & set(names), headers
        assert status != 200 or body == b"HTTP/1.1 200 OK\r\n\r\nforged", body
    print(f"httptools and h11: {len(paths)} responses, equal in both parsers")
