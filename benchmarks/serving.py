"""A streamlit server of one page, for the benchmarks."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Server:
    """A streamlit server of one page, with this project's configuration."""

    def __init__(self, script, folder, host="127.0.0.1", port=0, out=subprocess.DEVNULL, **env):
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind((host, port))
            self.host, self.port = free.getsockname()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(self.port), "--server.address", host],
            cwd=folder, stdout=out, stderr=out, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **env})
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.address}_stcore/health", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise RuntimeError("the server did not start")

    @property
    def address(self):
        return f"http://{self.host}:{self.port}/"

    def cpu(self):
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident megabytes."""
        line = next(x for x in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def apart(self):
        """Give the server the first core and this process the second, where there are two."""
        if os.cpu_count() > 1:
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(thread), {0})
            os.sched_setaffinity(0, {1})

    def stop(self):
        self.process.terminate()
        self.process.wait()
