"""How a server ends: how the last process did, how long it wants, how long its supervisor lets it."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured, pid_of
from plumbline.streaming.probes import ends, stopping
from plumbline.streaming.probes.reached import asked, malformed


@dataclass(frozen=True, slots=True)
class End:
    """How one process ended, as it noted itself before it was gone."""

    how: str = measured(
        "", "drained; stopped (at once); draining (killed meanwhile); running (a crash, or killed without a word)"
    )
    ago_s: float = measured("s", "how long ago it was noted")
    connections: int | None = measured(
        "{connection}", "clients: when it began to stop, or at the last note", default=None
    )
    left: int | None = measured("{connection}", "clients that went by themselves after the notice", default=None)
    cut: int | None = measured("{connection}", "clients that were closed because the time was over", default=None)
    within_s: float | None = measured("s", "time over which they were to be let go; 0: none", default=None)
    took_s: float | None = measured("s", "time that it took, or had", default=None)
    lost: int | None = measured("{message}", "messages that waited for clients and were not sent", default=None)


@dataclass(frozen=True, slots=True)
class Shutdowns:
    """What happens to clients when the server is stopped: the last time, and the next."""

    ends: tuple[End, ...] = measured("", "how the last process ended; of workers, the last of each")
    drain_s: float | None = measured("s", "time over which clients are let go; 0: at once, None: unknown", default=None)
    needed_s: float | None = measured("s", "time that it needs from the signal to its end; None: unknown", default=None)
    granted_s: float | None = measured(
        "s", "time after which its supervisor kills it; 0: at once, inf: never, None: unknown", default=None
    )
    supervisor: str = measured("", "who that is", default="unknown")
    sources: ClassVar[tuple[Source, ...]] = ()


def shutdowns_from_admin(endpoint: Endpoint) -> Shutdowns:
    """Ask the gateway how the one before it ended, and for its settings; while there is none, read the last one's note.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    known = {one.name for one in fields(End)}
    try:
        try:
            rows = asked(endpoint, "shutdown")["previous"]
        except UnavailableError as failed:
            left = ends.note(Path(str(endpoint.admin) + ends.SUFFIX)) if failed.reason == "unreachable" else None
            if left is None or left["how"] == "running":  # a crash, or it is about to start: nobody was told to go
                raise
            row = ends.with_age(left, time.time())
            return Shutdowns((End(**{key: row[key] for key in row.keys() & known}),))
        settings = asked(endpoint, "settings")
        needed_s = settings["drain_grace_s"] + settings["drain_s"] + settings["close_timeout_s"]
        found = tuple(End(**{key: row[key] for key in row.keys() & known}) for row in rows)
        return Shutdowns(found, settings["drain_s"], needed_s)
    except (TypeError, KeyError, AttributeError) as error:
        raise malformed(endpoint, error) from None


def shutdowns_from_both(endpoint: Endpoint) -> Shutdowns:
    """Ask the gateway, and the systemd unit of its process, if it has one.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    found = shutdowns_from_admin(endpoint)
    try:
        unit, granted_s = stopping.grace(pid_of(endpoint))
    except UnavailableError:
        return found
    return Shutdowns(found.ends, found.drain_s, found.needed_s, granted_s, unit)


def shutdowns_from_pid(endpoint: Endpoint) -> Shutdowns:
    """Ask systemd how it stops the unit of any server's process.

    Raises:
        UnavailableError: It is no process of a systemd service, or systemd does not say.
    """
    unit, granted_s = stopping.grace(pid_of(endpoint))
    return Shutdowns((), None, None, granted_s, unit)


Shutdowns.sources = (
    Source(
        frozenset({"admin", "pid"}),
        "the last end and the drain over the admin socket {admin}; how systemd stops the unit of process {pid}",
        shutdowns_from_both,
    ),
    Source(
        frozenset({"admin"}),
        "the last end and the drain over the admin socket {admin}, or the note beside it",
        shutdowns_from_admin,
    ),
    Source(frozenset({"pid"}), "how systemd stops the unit of process {pid}", shutdowns_from_pid),
)
