"""The worker's side of being supervised: its processor, its name in the log, its broker, its lifeline."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from plumbline.streaming.server import log
from plumbline.streaming.workers.relay import RelayBroker


class Inner(Protocol):
    """What a worker needs of its gateway."""

    last_stats: dict[str, Any]

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings while running."""

    def shed(self, count: int, within_s: float) -> int:
        """Ask so many clients to come back elsewhere."""

    def drain(self, within_s: float | None = None) -> Coroutine[Any, Any, Any]:
        """Let everybody go, and stop."""


class Told(Protocol):
    """Whom a worker's end is asked of."""

    def abandoned(self) -> None:
        """Drain, if that is not under way."""

    def to_stop(self) -> None:
        """Stop at once."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a supervisor tells a worker at its start.

    Args:
        worker: Its number.
        cpu: The processor to stay on; None: any.
        relay_fd: Its end of the relay's socket; None if the broker is another.
        changes: Settings that were changed since the supervisor read its own.
    """

    worker: int
    cpu: int | None = None
    relay_fd: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Inside:
        """Read what the supervisor wrote."""
        return cls(**json.loads(text))

    def settle(self) -> None:
        """Stay on the processor, and write the worker's name into each log line."""
        if self.cpu is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {self.cpu})
        for handler in logging.getLogger(log.NAME).handlers:
            handler.addFilter(self._name)

    def broker(self) -> RelayBroker | None:
        """Return the broker, if it is the supervisor."""
        return None if self.relay_fd is None else RelayBroker(socket.socket(fileno=self.relay_fd))

    async def begin(self, gateway: Inner, told: Told) -> None:
        """Take over settings that were changed meanwhile, and hold on to the supervisor."""
        if self.changes:
            gateway.configure(self.changes)
        await Lifeline(told.abandoned, lambda order: carry_out(gateway, told, order)).hold()

    def end(self, gateway: Inner) -> None:
        """Leave the counters with the supervisor."""
        say("ended", stats=gateway.last_stats)

    def _name(self, record: logging.LogRecord) -> bool:
        record.msg = f"{record.msg} worker={self.worker}"
        return True


def carry_out(gateway: Inner, told: Told, order: Mapping[str, Any]) -> None:
    """Do what the supervisor wants.

    Args:
        gateway: This worker's gateway.
        told: Whom its end is asked of.
        order: `{"shed": 12, "within_s": 10}`, `{"drain": 10}` (seconds) or `{"stop": true}`.
    """
    if "shed" in order:
        gateway.shed(int(order["shed"]), float(order["within_s"]))
    elif "drain" in order:
        drains = asyncio.get_running_loop().create_task(gateway.drain(float(order["drain"])))
        _drains.add(drains)
    elif "stop" in order:
        told.to_stop()


_drains: set[asyncio.Task[Any]] = set()  # a task that nobody holds may be collected


class Lifeline(asyncio.Protocol):
    """Standard input: the supervisor's orders, one JSON object a line; its end is the end of the supervisor.

    Args:
        ended: Called when the supervisor is gone.
        order: Called with each order.
    """

    def __init__(self, ended: Callable[[], None], order: Callable[[dict[str, Any]], None]) -> None:
        self._ended = ended
        self._order = order
        self._rest = b""

    async def hold(self) -> None:
        """Begin to listen."""
        await asyncio.get_running_loop().connect_read_pipe(lambda: self, sys.stdin)

    def data_received(self, data: bytes) -> None:
        """Carry out each whole line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._order(json.loads(line))

    def connection_lost(self, _error: Exception | None) -> None:
        """Drain: without a supervisor there is no broker, and nobody who starts others."""
        log.event(logging.ERROR, "supervisor gone", action="drain")
        self._ended()


def say(event: str, **fields: Any) -> None:
    """Tell the supervisor, one JSON line on standard output."""
    try:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()
    except OSError:  # it is gone: nobody is left to tell
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - so that the interpreter's last flush succeeds
