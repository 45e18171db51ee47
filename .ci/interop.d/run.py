"""Starts the server and runs one kind of client after the other against it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench/http"))

import commands  # noqa: E402
import file_clients  # noqa: E402
import parsers  # noqa: E402
import python_clients  # noqa: E402
import receipt_clients  # noqa: E402
import rig  # noqa: E402
import uploads  # noqa: E402


def browser(server, tools):
    """Runs in Node, because the browser driver is a Node package."""
    environment = {**os.environ, "ORIGIN": server.address, "TOKEN": server.token,
                   "SHOTS": str(tools / "page"), "NODE_PATH": str(tools / "node_modules")}
    subprocess.run(["node", HERE / "browser.cjs"], check=True, env=environment, timeout=420)


def tus_js(server, tools):
    """Runs in Node too."""
    environment = {**os.environ, "ORIGIN": server.address, "AUTHORIZATION": server.headers["Authorization"],
                   "NODE_PATH": str(tools / "node_modules")}
    subprocess.run(["node", HERE / "tus.cjs"], check=True, env=environment, timeout=60)


def main():
    binary, tools = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    work = pathlib.Path(tempfile.mkdtemp(dir=tools))
    try:
        with rig.Server(binary, work / "server", ["--max-artifact-bytes", "8MiB"]) as server:
            for client in (commands.curl, commands.wget, file_clients.all_of_them):
                client(server, work)
            for client in (python_clients.standard, python_clients.httpx_client, uploads.tus, parsers.no_answer_is_split):
                client(server)
            tus_js(server, tools)
            browser(server, tools)
        receipt_clients.second_implementation(binary, work)
        log = (work / "server/log").read_text()
        assert server.token not in log, "the token is in the log"
        assert " ERROR " not in log and "panicked" not in log, log
    finally:
        shutil.rmtree(work)
    print("interop: all clients work")


if __name__ == "__main__":
    main()
