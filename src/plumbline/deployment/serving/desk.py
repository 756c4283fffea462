"""What a deployer can ask of a server: status, prepare, share, retire, drain; by the admin socket or by HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from plumbline.deployment.core.digests import checked
from plumbline.deployment.core.errors import DeploymentError, FencedError, FullError
from plumbline.deployment.core.lanes import version_of
from plumbline.deployment.serving import log
from plumbline.deployment.serving.batching import Room
from plumbline.deployment.serving.fence import Fence
from plumbline.deployment.serving.loading import Loading
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slot, Slots


class Desk:
    """Carries out commands. Each is idempotent; a failed one leaves what serves as it was.

    Args:
        options: Of the server.
        slots: Versions in memory.
        loading: Makes them.
        fence: Keeps the epoch.
        room: Places in the queue.
        recent: Requests kept for gates.
        leave: Begins the drain.
    """

    def __init__(
        self,
        options: Options,
        slots: Slots,
        loading: Loading,
        fence: Fence,
        room: Room,
        recent: Recent,
        leave: Callable[[], None],
    ) -> None:
        self.options = options
        self.slots = slots
        self.loading = loading
        self.fence = fence
        self.recent = recent
        self.draining = False
        self.port: int | None = None
        self.loads: dict[str, int] = {"ok": 0, "failed": 0}
        self._room = room
        self._leave = leave
        self._began = time.monotonic()
        self._threads = ThreadPoolExecutor(1, "loading")
        self._locks: dict[str, asyncio.Lock] = {}
        self._switch = asyncio.Lock()

    def status(self) -> dict[str, Any]:
        """Return what is served, as `core.lanes.Serving` has it, and how that goes."""
        return {
            "model": self.options.model,
            "shares": dict(self.slots.shares),
            "epoch": self.fence.epoch,
            "ready": [key for key, slot in self.slots.loaded.items() if slot.golden.same],
            "pin": self.slots.pin,
            "pid": os.getpid(),
            "port": self.port,
            "metrics": None if self.port is None else f"{local_url(self.options.host, self.port)}/metrics",
            "draining": self.draining,
            "up_s": round(time.monotonic() - self._began, 3),
            "queue": {"waiting": self._room.waiting, "limit": self._room.limit},
            "versions": {key: _described(slot) for key, slot in self.slots.loaded.items()},
        }

    async def prepare(self, key: str, epoch: int | None) -> dict[str, Any]:
        """Load, warm and check a version; see `core.lanes.Lane.prepare`. Without an epoch none is checked."""
        checked(version_of(key))
        self._let_in(epoch)
        began = time.monotonic()
        async with self._locks.setdefault(key, asyncio.Lock()):
            if key not in self.slots.loaded:
                await self._load(key, epoch)
        return {"digest": key, "version": self.slots.loaded[key].label, "took_s": time.monotonic() - began}

    async def share(self, shares: Mapping[str, float], epoch: int | None, pin: str | None = None) -> dict[str, Any]:
        """Set who answers; see `core.lanes.Lane.share`."""
        self._let_in(epoch)
        began = time.monotonic()
        before = dict(self.slots.shares)
        await self.slots.share(shares, pin, self.options.drain_s)
        took = time.monotonic() - began
        if before != self.slots.shares:
            log.event(logging.INFO, "shares", epoch=self.fence.epoch, took_s=took, shares=_shown(self.slots))
        return {"shares": dict(self.slots.shares), "took_s": took}

    async def retire(self, key: str, epoch: int | None) -> dict[str, Any]:
        """Let go of a version; see `core.lanes.Lane.retire`."""
        self._let_in(epoch)
        async with self._locks.setdefault(key, asyncio.Lock()):
            slot = await self.slots.retire(key, self.options.drain_s)
            if slot is not None:
                await asyncio.get_running_loop().run_in_executor(self._threads, slot.model.close)
                log.event(logging.INFO, "retired", version=slot.series)
        self._locks.pop(key, None)
        return {"digest": key, "retired": slot is not None}

    def drain(self, epoch: int | None) -> dict[str, Any]:
        """Begin to leave: not ready from now on, and gone when the last request is answered."""
        self._let_in(epoch)
        self._leave()
        return {"draining": True}

    def close(self) -> None:
        """Let go of every model."""
        for slot in self.slots.loaded.values():
            slot.model.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _let_in(self, epoch: int | None) -> None:
        if epoch is not None:
            self.fence.pass_(epoch)

    async def _load(self, key: str, epoch: int | None) -> None:
        if len(self.slots.loaded) >= self.options.loaded:
            raise FullError(
                f"{len(self.slots.loaded)} versions are in memory, and no more may be: retire one that has no share",
                loaded=list(self.slots.loaded),
            )
        try:
            slot = await asyncio.get_running_loop().run_in_executor(self._threads, self.loading.slot, key)
        except Exception as error:
            self.loads["failed"] += 1
            log.event(logging.ERROR, "version not ready", digest=key, error=error)
            if isinstance(error, DeploymentError):
                raise
            raise DeploymentError(f"{key} cannot be loaded: {error}", digest=key) from error
        if epoch is not None and epoch < self.fence.epoch:
            slot.model.close()
            raise FencedError(f"epoch {epoch} was replaced by {self.fence.epoch} meanwhile", highest=self.fence.epoch)
        self.loads["ok"] += 1
        self.slots.add(slot)
        pace = slot.runner.pace
        log.event(logging.INFO, "version ready", version=slot.series, digest=key, row_s=f"{pace.expected_s(1):.6f}")


def local_url(host: str, port: int) -> str:
    """Return where programs of this machine reach a server.

    Args:
        host: What it listens on; all addresses include the loopback one.
        port: Its port.
    """
    near = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - read, not listened on
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _described(slot: Slot) -> dict[str, Any]:
    pace = slot.runner.pace
    return {
        "version": slot.found.version,
        "label": slot.label,
        "inflight": slot.flying + slot.asked,
        "queue": slot.runner.waiting,
        "golden": {"same": slot.golden.same, "rows": slot.golden.rows, "sentence": slot.golden.sentence},
        "pace": {"fixed_s": pace.fixed_s, "per_row_s": pace.per_row_s, "joins": pace.joins},
    }


def _shown(slots: Slots) -> str:
    return ",".join(f"{slots.loaded[key].series}:{share:g}" for key, share in slots.shares.items())
