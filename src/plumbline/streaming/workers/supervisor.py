"""The supervisor: workers, their broker, one admin socket and one metrics port for all of them, and the autoscaler."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import State as PodState
from plumbline.streaming.core.address import Address
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.admin import Admin
from plumbline.streaming.workers.autoscaler import Autoscaler, Seen
from plumbline.streaming.workers.exposition import Exposition
from plumbline.streaming.workers.listeners import Listeners
from plumbline.streaming.workers.office import Office
from plumbline.streaming.workers.pool import Pool, StartError
from plumbline.streaming.workers.process import Plan, State
from plumbline.streaming.workers.relay_server import RelayServer

MARGIN_S = 10.0  # beyond the drain window and the closing handshakes, before a worker that drains is killed
POD_STATES = {State.STARTING: PodState.PENDING, State.READY: PodState.READY, State.DRAINING: PodState.LEAVING}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a supervisor is asked to do.

    Args:
        address: Where clients connect.
        metrics: Where metrics are served.
        admin: Path of the admin socket; None: one in a folder of its own.
        words: The workers' common words.
        count: Workers at first.
        policy: For autoscaling; None: their number stays.
        read_policy: Reads it anew, for a reload.
        pin: Bind each worker to one processor.
        relay: The supervisor keeps the channels; else the words name another broker.
    """

    address: Address
    metrics: Address
    admin: str | None
    words: Sequence[str]
    count: int
    policy: Policy | None = None
    read_policy: Callable[[], Policy | None] | None = None
    pin: bool = False
    relay: bool = True


class Supervisor:
    """Runs workers.

    Args:
        wishes: What to do.
        settings: The gateway's settings; those of history and drain hold here too.
        read: Reads the settings anew, for a reload.

    Raises:
        OSError: The address is taken.
    """

    def __init__(self, wishes: Wishes, settings: Settings, read: Callable[[], Settings]) -> None:
        self.settings = settings
        self._first: dict[str, Any] = settings.as_dict()  # as the workers read them at their start
        self._wishes = wishes
        self._read = read
        self._folder = tempfile.TemporaryDirectory(prefix="plumbline-") if wishes.admin is None else None
        self.admin_path = wishes.admin or str(Path(self._folder.name if self._folder else "") / "admin")
        self._cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        self._listeners = Listeners(wishes.address, settings.listen_backlog)
        self.address = self._listeners.address
        loop = asyncio.get_running_loop()
        self._broker = LocalBroker(settings, secrets.token_hex(4), loop.time)
        self.relay = RelayServer(self._broker) if wishes.relay else None
        self.pool = Pool(self._plan, self._listeners, self._patience_s)
        self.autoscaler = self._autoscaler(wishes.policy, loop.time)
        self.told = asyncio.Event()
        self.within_s: float | None = None  # for the drain that ends it
        self.office = Office(self)
        self._admin: Admin | None = None
        self._exposition: Exposition | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._random = random.Random()  # noqa: S311 - jitter, no secret

    async def start(self) -> None:
        """Start everything, and wait until all workers accept connections.

        Raises:
            StartError: A worker ended before it was ready.
            OSError: The admin socket or the metrics' address is taken.
        """
        try:
            self._exposition = Exposition(self._wishes.metrics, self._who, self._own)
            self._admin = Admin(self.admin_path, self.office.views(), self.office.change, self.office.actions())
            if self.relay is not None:
                await self.relay.start()
            await self.pool.start(self._wishes.count)
        except (OSError, StartError):
            await self.stop()
            raise
        loop = asyncio.get_running_loop()
        if self.autoscaler is not None:
            self._tasks.append(loop.create_task(self.autoscaler.run()))
        self._tasks.append(loop.create_task(self._balancing()))
        self._state_limits()

    async def stop(self, within_s: float | None = None) -> None:
        """Drain all workers, and end.

        Args:
            within_s: Time over which clients go, in seconds; 0: at once, None: as the settings say.
        """
        for task in self._tasks:
            task.cancel()
        await self.pool.stop(within_s)
        if self.relay is not None:
            await self.relay.stop()
        if self._admin is not None:
            self._admin.close()
        if self._exposition is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._exposition.close)
        self._listeners.close()
        if self._folder is not None:
            self._folder.cleanup()

    def end(self, within_s: float | None = None) -> None:
        """Drain and end; told a second time, at once."""
        if self.told.is_set():
            for worker in self.pool.workers:
                worker.drain(0)
        self.within_s = within_s
        self.told.set()

    @property
    def ready(self) -> dict[str, Any]:
        """What the line on standard output says."""
        metrics = self._exposition.address if self._exposition is not None else ""
        pids = [worker.pid for worker in self.pool.workers]
        first = next((worker.url for worker in self.pool.workers if worker.url), f"ws://{self.address}/")
        return {"url": first, "metrics": f"http://{metrics}/metrics", "pid": os.getpid(), "workers": pids}

    def reload(self) -> None:
        """Take over the configuration file again, here and in all workers, and the autoscaling policy.

        Raises:
            click.ClickException: The file is wrong; nothing was changed.
            PolicyError: The policy is; nothing was changed.
        """
        settings = self._read()
        self.reload_policy()
        self.take(settings)
        self._first = self.settings.as_dict()
        self.pool.each(signal.SIGHUP)

    def reload_policy(self) -> Policy | None:
        """Read the autoscaling policy again and return it; None: nothing is scaled.

        Raises:
            PolicyError: It is wrong; nothing was changed.
        """
        policy = self._wishes.read_policy() if self._wishes.read_policy is not None else None
        if self.autoscaler is None or policy is None:
            return None
        self.autoscaler.take(policy)
        return policy

    def take(self, settings: Settings) -> None:
        """Let these settings hold here."""
        self.settings = settings
        self._broker.configure(settings)
        self._listeners.backlog = settings.listen_backlog

    def _plan(self, number: int, listener: socket.socket) -> Plan:
        cpu = self._cpus[number % len(self._cpus)] if self._wishes.pin else None
        admin, now = f"{self.admin_path}.worker-{number}", self.settings.as_dict()
        changes = {key: value for key, value in now.items() if value != self._first.get(key)}
        return Plan(number, self._wishes.words, listener, admin, cpu, self.relay, changes)

    def _autoscaler(self, policy: Policy | None, clock: Callable[[], float]) -> Autoscaler | None:
        if policy is None:
            return None
        return Autoscaler(policy, self._look, self.pool.scale, drain_s=self.drain_s, clock=clock)

    async def _look(self) -> list[Seen]:
        answers = await self.office.ask_all("stats")
        seen = [Seen(str(one), POD_STATES[one.state], one.pid, stats) for one, stats in answers]
        here = {one.plan.number for one, _ in answers if one.state is not State.DRAINING}
        dead = [number for number in self.pool.slots if number not in here]
        return seen + [Seen(f"worker-{number}", PodState.UNREADY, 0, None) for number in dead]

    async def _balancing(self) -> None:
        while True:
            interval_s = self.settings.balance_interval_s
            await asyncio.sleep(interval_s * self._random.uniform(0.5, 1.5) if interval_s else 1.0)
            if interval_s:
                await self.office.rebalance()

    def drain_s(self) -> float:
        """Return the time over which a worker lets its clients go, in seconds."""
        return self.settings.drain_s

    def _patience_s(self, within_s: float | None) -> float:
        drain_s = self.drain_s() if within_s is None else within_s
        return self.settings.drain_grace_s + drain_s + self.settings.close_timeout_s + MARGIN_S

    def _who(self) -> list[tuple[str, str, str]]:
        return [(str(worker), str(worker.state), worker.admin) for worker in self.pool.workers]

    def _own(self) -> dict[str, float]:
        found = {"worker_deaths": float(self.pool.deaths)}
        if self.relay is not None:
            found["relay_messages"] = float(self.relay.messages)
            found["relay_waiting_bytes"] = float(sum(session.link.waiting for session in list(self.relay.sessions)))
        return found

    def _state_limits(self) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        log.event(
            logging.INFO,
            "workers ready",
            workers=len(self.pool.workers),
            open_files_limit=f"{files} each",
            max_connections=f"{self.settings.max_connections} each",
            address=self.address,
        )
