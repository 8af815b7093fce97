"""deploy/haproxy.cfg as it stands, in front of real replicas of the page, on this machine's loopback only. Linux.

Two addresses in the file are put in place of its own: where it listens, and where its name server is. One line is added: a
socket that tells how HAProxy sees the replicas. All else is what is shipped, so a small name server here stands in for Docker's
and answers for the pages that run, each on a loopback address of its own, port 8501.
"""

import json
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from serving import Server  # noqa: E402

CONFIG = ROOT / "deploy/haproxy.cfg"
NAMES = ("page1", "page2", "page3", "page4")
PORT = 8501  # of every page, as in its container


class NameServer:
    """What Docker's name server does: it tells the address of a name in `known`, and of no other."""

    def __init__(self):
        self.known = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, where = self.socket.recvfrom(4096)
                self.socket.sendto(self.answer(question), where)
            except OSError:
                return

    def answer(self, question):
        labels, place = [], 12  # behind the header: the name, label by label, then its type and class
        while question[place]:
            labels.append(question[place + 1:place + 1 + question[place]].decode("ascii", "replace"))
            place += 1 + question[place]
        address = self.known.get(".".join(labels))
        found = address is not None and question[place + 1:place + 3] == b"\0\1"  # an A record
        header = question[:2] + (b"\x85\x80" if address else b"\x85\x83") + b"\0\1" + (b"\0\1" if found else b"\0\0") + bytes(4)
        record = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4" + socket.inet_aton(address) if found else b""
        return header + question[12:place + 5] + record

    def close(self):
        self.socket.close()


class Hall:
    """Two to four pages behind the proxy. A context: when it is left, every process it started has ended."""

    def __init__(self, count=2):
        if not shutil.which("haproxy"):
            raise SystemExit("HAProxy is missing: apt-get install haproxy")
        self.folder = tempfile.TemporaryDirectory(prefix="hall-")
        self.secret, self.net = secrets.token_hex(32), f"127.{random.randrange(1, 255)}.{random.randrange(255)}"
        self.homes, self.pages, self.started, self.names, self.proxy = NAMES[:count], {}, 0, NameServer(), None

    def __enter__(self):
        try:
            for name in self.homes:
                self.start(name)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            self.config().write_text(self.adapted())
            self.proxy = subprocess.Popen(["haproxy", "-db", "-f", str(self.config())], stdin=subprocess.DEVNULL,
                                          stdout=self.log().open("wb"), stderr=subprocess.STDOUT)
            self.wait(self.homes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in [self.proxy, *(page.process for page in self.pages.values())]:
            if process is not None:
                process.kill()
                process.wait(10)
        self.names.close()
        self.folder.cleanup()

    # What is substituted.

    def adapted(self):
        text = CONFIG.read_text()
        for shipped, here in {"bind :8501": f"bind 127.0.0.1:{self.port}",
                              "127.0.0.11:53": f"127.0.0.1:{self.names.port}"}.items():
            if text.count(shipped) != 1:
                raise RuntimeError(f"{CONFIG.name} says {shipped!r} {text.count(shipped)} times, not once")
            text = text.replace(shipped, here)
        state = Path(self.folder.name, "state")
        return text.replace("global\n", f"global\n    stats socket {state} mode 600\n", 1)

    def config(self):
        return Path(self.folder.name, "haproxy.cfg")

    # The pages.

    def start(self, name):
        """Start a page under an address that none had before, and let the name server say so."""
        self.started += 1
        out = Path(self.folder.name, f"{name}.log").open("ab")
        page = self.pages[name] = Server(ROOT / "app.py", ROOT, f"{self.net}.{self.started}", PORT, out,
                                         STREAMLIT_SERVER_COOKIE_SECRET=self.secret)
        self.names.known[name] = page.host

    def kill(self, name):
        """kill -9, as when memory runs out."""
        self.pages[name].process.kill()
        self.pages[name].process.wait(10)

    def says(self, name):
        """What a page has printed."""
        return Path(self.folder.name, f"{name}.log").read_text(errors="replace")

    # The proxy.

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def log(self):
        return Path(self.folder.name, "haproxy.log")

    def state(self):
        """{page: its row of HAProxy's statistics}."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(str(Path(self.folder.name, "state")))
            asked.sendall(b"show stat json\n")
            answer = b"".join(iter(lambda: asked.recv(65536), b""))
        rows = [{field["field"]["name"]: field["value"]["value"] for field in row} for row in json.loads(answer)]
        return {row["svname"]: row for row in rows if row["svname"] in self.homes}

    def wait(self, names, status="UP", seconds=30):
        """The seconds until HAProxy sees the pages so."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            if self.proxy.poll() is not None:
                raise RuntimeError(f"HAProxy has ended:\n{self.log().read_text()}")
            try:
                if all(self.state()[name]["status"].startswith(status) for name in names):
                    return time.monotonic() - start
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"{' and '.join(names)} did not come {status}:\n{self.log().read_text()}")

    def cpu(self):
        """{process: seconds of processor time so far}."""
        return {**{name: page.cpu() for name, page in self.pages.items()}, "proxy": Server.cpu(self)}

    @property
    def process(self):
        return self.proxy


def fetch(address, headers=None, timeout=10):
    """(status, headers, body) of a plain request; a refusal is an answer too."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()

