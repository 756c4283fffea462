"""The workers: started, started again when they die, replaced one by one, and sent away when there are too many."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from plumbline.streaming.probes.adminclient import AdminError
from plumbline.streaming.server import log
from plumbline.streaming.workers import sums
from plumbline.streaming.workers.listeners import Listeners
from plumbline.streaming.workers.process import Plan, State, Worker
from plumbline.streaming.workers.restarts import Restarts

QUEUE_KEPT_S = 1.0  # connections may wait this long in a dead worker's accept queue; then new ones go to the others
START_PATIENCE_S = 30.0


class StartError(Exception):
    """A worker ended, or stood still, before it accepted connections."""


class Slot:
    """The place of one worker: its number, its listening socket, and who is in it.

    Args:
        number: From 0.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.listener: socket.socket | None = None
        self.worker: Worker | None = None
        self.restarts = Restarts()

    def close(self) -> None:
        """Close the supervisor's copy of the listening socket."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None


class Pool:
    """All workers.

    Args:
        plan: Returns how to start the worker of this number on this socket.
        listeners: Opens listening sockets.
        patience_s: Returns how long a worker may take to drain, in seconds, before it is killed; from the time over
            which its clients go, None: as the settings say.
    """

    def __init__(
        self,
        plan: Callable[[int, socket.socket], Plan],
        listeners: Listeners,
        patience_s: Callable[[float | None], float],
    ) -> None:
        self.slots: dict[int, Slot] = {}
        self.leaving: list[Worker] = []
        self.ended: dict[str, Any] = {}  # counters of workers that ended in order
        self.deaths = 0
        self._plan = plan
        self._listeners = listeners
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._stopping = False

    @property
    def workers(self) -> list[Worker]:
        """Those that live, by number, and then those that are leaving."""
        living = [slot.worker for _, slot in sorted(self.slots.items()) if slot.worker is not None]
        return [worker for worker in (*living, *self.leaving) if worker.state is not State.ENDED]

    async def start(self, count: int) -> None:
        """Start the first workers, and wait until all accept connections.

        Raises:
            StartError: One ended before.
        """
        for number in range(count):
            await self._enter(self._slot(number))
        for slot in self.slots.values():
            if slot.worker is not None:
                await self._until_ready(slot.worker)
        for slot in self.slots.values():
            self._watch(slot)

    async def scale(self, count: int) -> None:
        """Have this many: start more, or send those with the fewest connections away."""
        async with self._changing:
            while len(self.slots) < count:
                slot = self._slot(next(number for number in range(count) if number not in self.slots))
                await self._enter(slot)
                self._watch(slot)
                if slot.worker is not None:
                    with contextlib.suppress(StartError):  # it is started again, as any that dies
                        await self._until_ready(slot.worker)
            if len(self.slots) > count:
                for slot in await self._least_loaded(len(self.slots) - count):
                    self._send_away(slot)

    async def restart(self) -> None:
        """Replace all, one by one: the new one accepts before the old one drains, so that nobody is lost.

        Raises:
            StartError: A new one did not start; the old one of its number stays, and so do the others.
        """
        async with self._changing:
            for slot in [self.slots[number] for number in sorted(self.slots)]:
                await self._replace(slot)

    async def stop(self, within_s: float | None = None) -> None:
        """Let all drain at the same time, and wait for them.

        Args:
            within_s: Time over which clients go, in seconds; 0: at once, None: as the settings say.
        """
        self._stopping = True
        fresh = [worker for worker in self.workers if worker not in self.leaving]
        for slot in self.slots.values():
            slot.close()
        self.slots.clear()
        self.leaving += fresh
        for worker in fresh:
            worker.drain(within_s)
        await asyncio.gather(*(self._bury(worker, within_s) for worker in fresh))
        for worker in list(self.leaving):  # those that were leaving before; somebody else buries them
            await worker.ended.wait()
        for task in list(self._tasks):
            task.cancel()

    def each(self, number: int) -> None:
        """Send all a signal."""
        for worker in self.workers:
            worker.signal(number)

    def _slot(self, number: int) -> Slot:
        slot = self.slots[number] = Slot(number)
        return slot

    async def _enter(self, slot: Slot) -> None:
        """Start a worker in a slot."""
        if slot.listener is None:
            slot.listener = self._listeners.open()
        worker = Worker(self._plan(slot.number, slot.listener))
        await worker.start()
        slot.worker = worker
        log.event(logging.INFO, "worker started", worker=worker, pid=worker.pid)

    async def _until_ready(self, worker: Worker) -> None:
        events = {asyncio.ensure_future(event.wait()) for event in (worker.ready, worker.ended)}
        _, waiting = await asyncio.wait(events, timeout=START_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for event in waiting:
            event.cancel()
        if worker.ended.is_set():
            raise StartError(f"{worker} ended with code {worker.code} before it accepted connections; its log says why")
        if not worker.ready.is_set():
            raise StartError(f"{worker} did not accept connections within {START_PATIENCE_S:g} s")

    def _watch(self, slot: Slot) -> None:
        if slot.worker is not None:
            self._spawn(self._wake(slot, slot.worker))

    async def _wake(self, slot: Slot, worker: Worker) -> None:
        """When a worker dies, start another in its place, after a while."""
        await worker.ended.wait()
        while slot.worker is worker and not self._stopping:
            lived_s = asyncio.get_running_loop().time() - worker.started_at if worker.ready.is_set() else 0.0
            delay_s = slot.restarts.delay_s(lived_s)
            self.deaths += 1
            log.event(logging.ERROR, "worker died", worker=worker, code=worker.code, restart_in_s=delay_s)
            if slot.restarts.crash_loop:
                log.event(logging.ERROR, "worker crash loop", worker=worker, early_deaths=slot.restarts.early)
            if delay_s > QUEUE_KEPT_S:
                slot.close()
            await asyncio.sleep(delay_s)
            if slot.worker is not worker or self._stopping:
                return
            try:
                await self._enter(slot)
            except OSError as failed:
                log.event(logging.ERROR, "worker start failed", worker=worker, because=failed)
                continue
            self._watch(slot)

    async def _replace(self, slot: Slot) -> None:
        old = slot.worker
        if old is None or slot.listener is None:
            return
        old.step_aside()
        new = Worker(self._plan(slot.number, slot.listener))
        try:
            await new.start()
            await self._until_ready(new)
        except (OSError, StartError) as failed:
            new.signal(signal.SIGKILL)
            old.step_back()
            log.event(logging.ERROR, "worker restart failed", worker=old, because=failed)
            raise StartError(f"the new {old} did not start, the old one stays: {failed}") from None
        slot.worker = new
        slot.restarts = Restarts()
        self._watch(slot)
        log.event(logging.INFO, "worker replaced", worker=new, pid=new.pid, old_pid=old.pid)
        self.leaving.append(old)
        old.drain()
        await self._bury(old)

    async def _least_loaded(self, count: int) -> list[Slot]:
        """Return the slots whose workers have the fewest connections; those without a worker first."""
        loads = []
        for number, slot in self.slots.items():
            connections = -1
            if slot.worker is not None and slot.worker.state is State.READY:
                try:
                    connections = (await slot.worker.get("stats"))["connections"]
                except AdminError:  # it cannot be asked: better gone than the others
                    connections = -1
            loads.append((connections, -number, slot))
        return [slot for _, _, slot in sorted(loads, key=lambda row: row[:2])[:count]]

    def _send_away(self, slot: Slot) -> None:
        """Close the slot; first our copy of its socket, so that its worker's is the last and empties the queue."""
        worker, slot.worker = slot.worker, None
        del self.slots[slot.number]
        slot.close()
        if worker is not None and worker.state is not State.ENDED:
            log.event(logging.INFO, "worker leaves", worker=worker, pid=worker.pid)
            worker.step_aside()
            self.leaving.append(worker)
            worker.drain()
            self._spawn(self._bury(worker))

    async def _bury(self, worker: Worker, within_s: float | None = None) -> None:
        """Wait until a worker that drains has ended; kill it if it takes too long."""
        patience_s = self._patience_s(within_s)
        try:
            await asyncio.wait_for(worker.ended.wait(), patience_s)
        except TimeoutError:
            log.event(logging.ERROR, "worker killed", worker=worker, pid=worker.pid, after_s=patience_s)
            worker.signal(signal.SIGKILL)
            await worker.ended.wait()
        if worker in self.leaving:
            self.leaving.remove(worker)
        self.ended = sums.stats([self.ended, worker.last_words])
        log.event(logging.INFO, "worker left", worker=worker, code=worker.code)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
