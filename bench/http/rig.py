"""Code that the measurements share. Starts the server and nginx on free ports and stops them by process id."""

import http.client
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import tempfile
import time


def machine(folder):
    """Describes the machine; a figure is worthless without it."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    found = subprocess.run(["stat", "-f", "-c", "%T", folder], check=True, capture_output=True, text=True)
    return (f"{os.cpu_count()} cores of {model}; Linux {platform.release()}; {found.stdout.strip()}; "
            f"load {os.getloadavg()[0]:.1f}; client and server on the same cores")


def fill_page_cache(folder):
    """Fills the page cache with a file of zeros that takes no room on the disk. Returns the file, which keeps the cache while it is open.

    In a virtual machine the host may take memory back that is free, and then the first write to each page of it costs microseconds.
    """
    cached = tempfile.TemporaryFile(dir=folder, buffering=0)
    cached.truncate(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    while cached.read(1 << 20):
        pass
    return cached


def cpu_seconds(pid):
    """Returns the CPU seconds of a process and its children, user and kernel (proc(5))."""
    def of(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return of(pid) + sum(map(of, children))


def free_port():
    """Returns a free port below the ephemeral range."""
    for port in range(20_100, 30_000, 7):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no port is free")


class Server:
    """`artifact serve` with its own data folder."""

    experiment = "default"
    artifacts = f"/v0/experiments/{experiment}/artifacts"

    def __init__(self, binary, folder, extra=()):
        self.folder = pathlib.Path(folder)
        self.command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "data",
                        "--ready-fd", "3", *extra]

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        with open(self.folder / "log", "wb") as log:
            # The shell moves the pipe to the descriptor that --ready-fd names.
            quoted = ["bash", "-c", f'exec 3>&{writer}; exec "$@"', "serve", *map(str, self.command)]
            self.process = subprocess.Popen(quoted, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            line = ready.readline().strip()
        if not line:
            raise SystemExit((self.folder / "log").read_text())
        self.address = line.rsplit("/", 1)[1]
        self.token = (self.folder / "data/admin-token").read_text().strip()
        self.headers = {"Authorization": f"Bearer admin:{self.token}", "X-Eden-Experiment-Id": self.experiment}
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def memory(self, field="VmHWM"):
        """Returns bytes: VmHWM is the peak, VmRSS the current size."""
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith(field):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"no {field}")

    def forget_peak(self):
        """Resets the peak to the current size (proc(5), clear_refs)."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def connect(self, timeout=60):
        return http.client.HTTPConnection(self.address, timeout=timeout)

    def deposit(self, content):
        head = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
                b"Content-Type: application/octet-stream\r\n\r\n")
        if not hasattr(self, "connection"):
            self.connection = self.connect()
        self.connection.request("POST", self.artifacts, head + content + b"\r\n--b--\r\n",
                                {**self.headers, "Content-Type": "multipart/form-data; boundary=b"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 201:
            raise SystemExit(f"a deposit was answered {answer.status}: {body}")
        return json.loads(body)["artifacts_uri"]


class Nginx:
    """nginx with static files, configured as its documentation recommends."""

    def __init__(self, folder, root, log):
        self.folder, self.root, self.log = pathlib.Path(folder), root, log

    def __enter__(self):
        self.folder.mkdir()
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        log = f"{self.folder}/access.log" if self.log else "off"
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""
            daemon off; {user}
            worker_processes auto; pid {self.folder}/pid; error_log {self.folder}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log {log}; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
                client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
                fastcgi_temp_path {self.folder}/fcgi; uwsgi_temp_path {self.folder}/uwsgi;
                scgi_temp_path {self.folder}/scgi; default_type application/octet-stream;
                server {{ listen {self.address}; root {self.root}; }}
            }}""")
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf", "-p", self.folder],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit((self.folder / "error.log").read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
