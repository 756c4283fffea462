"""Stop without losing anybody: not ready, an empty accept queue, the clients in even slices, then the rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plumbline.streaming.core.farewell import slices
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.acceptor import Acceptor
from plumbline.streaming.server.door import Door
from plumbline.streaming.server.farewells import Farewells
from plumbline.streaming.server.telemetry import Telemetry
from plumbline.streaming.server.writing import Writing

AT_ONCE = 256  # notices in one turn of the loop: some 3 ms


class Owner(Protocol):
    """What a drain needs of the gateway."""

    settings: Settings
    connections: dict[int, Writing]
    acceptor: Acceptor | None
    door: Door
    farewells: Farewells
    telemetry: Telemetry | None
    draining: bool
    letting_in: bool
    empty: asyncio.Event

    def now(self) -> float:
        """Return the clock in seconds."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did.

    Args:
        connections: Clients that were here when it began, or came in while it did.
        left: Those that went by themselves after the notice.
        lost: Messages that waited for clients and were not sent.
        cut: Clients that were closed because the time was over.
        took_s: Seconds.
    """

    connections: int
    left: int
    lost: int
    took_s: float
    cut: int = 0


async def drain(owner: Owner, within_s: float) -> Drained:
    """Let everybody go.

    Args:
        owner: The gateway; it lets nobody in afterwards.
        within_s: Time over which clients are let go, in seconds; 0: at once.
    """
    began = owner.now()
    owner.draining = True
    log.event(logging.INFO, "draining", connections=len(owner.connections), within_s=within_s)
    if owner.settings.drain_grace_s:
        await asyncio.sleep(owner.settings.drain_grace_s)
    owner.letting_in = False
    if owner.acceptor is not None:
        await owner.acceptor.finish()
    until = owner.now() + within_s
    here = list(owner.connections.values())
    await _ask_all(owner, here, within_s)
    if owner.connections:
        owner.empty.clear()
        await _wait(owner.empty, until - owner.now())
    left = sum(not connection.live and connection.ending is None for connection in here)
    before = owner.farewells.lost
    late = [connection for connection in owner.connections.values() if connection.live]
    owner.farewells.cut(late)
    if owner.door.waiting:  # those who were in the accept queue are told to come back
        await _wait(owner.door.settled, owner.settings.close_timeout_s)
        if not all(greeting.answered for greeting in owner.door.waiting.values()):
            await _wait(owner.door.settled, owner.settings.handshake_timeout_s)
    done = Drained(len(here), left, owner.farewells.lost - before, owner.now() - began, len(late))
    if owner.telemetry is not None:
        owner.telemetry.drained(owner.now() - began, len(here), owner.farewells.lost - before)
    log.event(logging.INFO, "drained", connections=done.connections, left=left, lost=done.lost, took_s=done.took_s)
    return done


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), max(0.0, seconds))


async def _ask_all(owner: Owner, connections: Sequence[Writing], within_s: float) -> None:
    """Tell everybody when to come back; in pieces, so that messages go on meanwhile."""
    if not within_s:
        return
    leaves = slices(len(connections), within_s, random.shuffle)
    began = owner.now()
    for first in range(0, len(connections), AT_ONCE):
        for connection, leave in zip(
            connections[first : first + AT_ONCE], leaves[first : first + AT_ONCE], strict=True
        ):
            if connection.live:
                owner.farewells.ask(connection, leave, "drain")
        await asyncio.sleep(0)
    log.event(logging.INFO, "clients told to come back", connections=len(connections), took_s=owner.now() - began)
