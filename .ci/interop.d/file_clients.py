"""Clients that know files by HTTP, on the files of a collection: curl -T, rclone, and fsspec of Python, with HTTP Basic."""

import base64
import json
import os
import urllib.parse
import urllib.request

import fsspec

from commands import run

NAMES = ["a.bin", "logs/a b.bin", "logs/deep/naïve 文件.txt"]


class Collection:
    """A collection on the server, and the files that are deposited in it."""

    def __init__(self, server, work):
        self.login = f"admin:{server.token}"
        self.basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        self.base = f"http://{server.address}/v1/experiments/{server.experiment}/collections"
        created = self.ask(self.base, b"{}", {"Content-Type": "application/json"})
        self.url = f"{self.base}/{json.loads(created)['id']}/files/"
        self.folder = work / "files"
        self.folder.mkdir()
        self.contents = {name: os.urandom(700_000) for name in NAMES}

    def ask(self, url, body=None, fields=()):
        request = urllib.request.Request(url, body, {"Authorization": self.basic, **dict(fields)})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def delete(self):
        request = urllib.request.Request(self.url.removesuffix("/files/"), None, {"Authorization": self.basic}, method="DELETE")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 204, answer.status

    def url_of(self, name):
        return self.url + urllib.parse.quote(name)

    def check(self, folder):
        for name, content in self.contents.items():
            assert (folder / name).read_bytes() == content, name


def curl(collection):
    """Uploads by -T: under a whole name, into a folder, and from a pipe."""
    common = ["curl", "-sS", "--max-time", "30", "-u", collection.login, "-o", "/dev/null", "-w", "%{http_code}"]
    file = collection.folder / "a b.bin"
    file.write_bytes(collection.contents[NAMES[1]])
    # curl appends the name of the file to a URL that ends in a slash.
    assert run(*common, "-T", file, collection.url + "logs/").stdout == b"201"
    assert run(*common, "-T", file, collection.url_of(NAMES[1])).stdout == b"409"
    assert run(*common, "-H", "If-None-Match: *", "-T", file, collection.url_of(NAMES[1])).stdout == b"412"
    file.write_bytes(collection.contents[NAMES[0]])
    with open(file, "rb") as pipe:
        assert run(*common, "-T", "-", collection.url_of(NAMES[0]), stdin=pipe).stdout == b"201"
    print("curl -T: a name, a folder, a pipe; a name is given once")


def fsspec_client(collection):
    """Uploads by PUT, reads whole files and parts."""
    files = fsspec.filesystem("http", client_kwargs={"headers": {"Authorization": collection.basic}})
    name = NAMES[2]
    content = collection.contents[name]
    source = collection.folder / "source"
    source.write_bytes(content)
    url = collection.url_of(name)
    files.put_file(str(source), url, method="put")
    assert files.info(url)["size"] == len(content) and files.exists(url)
    assert not files.exists(collection.url_of("none"))
    assert files.cat_file(url) == content
    assert files.cat_file(url, start=100, end=200) == content[100:200]
    with files.open(url, block_size=65_536) as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]
        file.seek(400_000)
        assert file.read(70_000) == content[400_000:470_000]
    files.get_file(url, str(source))
    assert source.read_bytes() == content
    print("fsspec: put, info, whole files, parts")


def rclone(collection, work):
    """Copies one file by its URL, and all files of a list."""
    quiet = ["--config", "/dev/null", "--retries", "1"]
    one = work / "one"
    run("rclone", "copyurl", *quiet, "--header", f"Authorization: {collection.basic}", collection.url_of(NAMES[2]), one)
    assert one.read_bytes() == collection.contents[NAMES[2]]
    listed = json.loads(collection.ask(collection.url.removesuffix("/")))
    names = [file["name"] for file in listed["files"]]
    assert names == NAMES, names
    (work / "names").write_text("".join(f"{name}\n" for name in names))
    remote = ["--http-url", collection.url, "--http-headers", f"Authorization,{collection.basic}"]
    # A remote of this kind finds its files in pages of HTML, which the server does not have. So the names are given.
    run("rclone", "copy", *quiet, *remote, "--files-from-raw", work / "names", "--no-traverse", ":http:", work / "tree")
    collection.check(work / "tree")
    print("rclone: copyurl, copy of a list of files")


def all_of_them(server, work):
    collection = Collection(server, work)
    curl(collection)
    fsspec_client(collection)
    rclone(collection, work)
    # The tests of the page begin without collections.
    collection.delete()
