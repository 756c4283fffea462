"""nats-servers of regions for the cluster's benchmark, and brokers that talk to them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbline.streaming import Settings
from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.nats_config import RegionServer
from plumbline.streaming.core.broker import BrokerError

BINARY = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")


def port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A nats-server of one region."""

    def __init__(self, folder: Path, region: str, leaf: int, *, listens: bool, sync: bool = False) -> None:
        self.port, self.http = port(), port()
        self.url = f"nats://127.0.0.1:{self.port}"
        address = f"127.0.0.1:{leaf}"
        text = RegionServer(
            region,
            str(folder / region),
            f"127.0.0.1:{self.port}",
            f"127.0.0.1:{self.http}",
            address if listens else None,
            () if listens else (address,),
            sync,
        ).text()
        self.config = folder / f"{region}.conf"
        self.config.write_text(text)
        self.start()

    def start(self) -> None:
        """Start, and wait until it is healthy."""
        quiet = subprocess.DEVNULL
        self.child = subprocess.Popen([BINARY, "-c", str(self.config)], stdout=quiet, stderr=quiet)
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/healthz") as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)

    def kill(self) -> None:
        """As `kill -9` does."""
        self.child.kill()
        self.child.wait()


class Ear:
    """A receiver that notes when each message came."""

    def __init__(self) -> None:
        self.came: dict[bytes, float] = {}
        self.interrupted_at: float | None = None

    def arrived(self, _channel: str, _position: object, data: bytes) -> None:
        """Note when it came."""
        self.came[data] = time.perf_counter()

    def interrupted(self, _channel: str | None, _because: str) -> None:
        """Note when it was said."""
        self.interrupted_at = time.perf_counter()


async def until(true: Callable[[], Any]) -> None:
    """Look every 10 ms whether this holds."""
    for _ in range(10_000):
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def ask(method: Callable[..., None], *args: object) -> Any:
    """Wait for an answer by callback."""
    told = asyncio.get_running_loop().create_future()
    method(*args, told.set_result)
    answer = await told
    if isinstance(answer, BrokerError):
        raise answer
    return answer


async def broker(server: Server, region: str = "main", peers: tuple[str, ...] = ()) -> tuple[NatsBroker, Ear]:
    """Start a broker."""
    one, ear = NatsBroker(ClusterOptions((server.url,), region=region, peers=peers), Settings()), Ear()
    await one.start(ear)
    return one, ear
