"""A gateway's vital numbers, worker by worker, as rates between two looks at its admin sockets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plumbline.streaming.probes.adminclient import AdminError, ask

Stats = dict[str, Any]
GAUGES = (
    "pid",
    "connections",
    "subscriptions",
    "queued_bytes",
    "fullest_queue_bytes",
    "resident_bytes",
    "loop_lag_s",
    "accept_queue",
)


@dataclass(frozen=True, slots=True)
class WorkerNow:
    """One worker at one moment.

    Args:
        worker: Its name: `gateway` if there is only one process, else `worker-0` and so on.
        pid: Process id.
        connections: Open connections.
        subscriptions: Subscriptions of all connections.
        deliveries_per_s: Messages handed to readers per second since the last look; None at the first look.
        published_per_s: Messages published per second.
        opened_per_s: TCP connections accepted per second.
        closed_per_s: Connections that ended per second.
        dropped_per_s: Messages that an overflow policy forgot per second.
        queued_bytes: Bytes that wait to be sent.
        fullest_queue_bytes: Bytes in the fullest outbound queue.
        resident_bytes: Resident memory.
        loop_lag_s: Worst lateness of the event loop in the last 10 to 20 s, in seconds.
        accept_queue: Connections that wait in the kernel; None where it does not say.
    """

    worker: str
    pid: int
    connections: int
    subscriptions: int
    deliveries_per_s: float | None
    published_per_s: float | None
    opened_per_s: float | None
    closed_per_s: float | None
    dropped_per_s: float | None
    queued_bytes: int
    fullest_queue_bytes: int
    resident_bytes: int
    loop_lag_s: float
    accept_queue: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """All workers' counters at one moment.

    Args:
        at: Clock time in seconds.
        workers: The admin socket's `stats` by worker.
    """

    at: float
    workers: dict[str, Stats]


def look(
    admin: str | os.PathLike[str],
    clock: Callable[[], float] = time.monotonic,
    get: Callable[[str | os.PathLike[str]], Stats] = lambda path: dict(ask(path, {"get": "stats"}, timeout_s=2.0)),
) -> Look:
    """Ask every worker of a gateway; a worker that ends meanwhile is left out.

    Args:
        admin: The gateway's admin socket; a supervisor's workers have theirs beside it (`ADMIN.worker-N`).
        clock: Returns seconds.
        get: Asks one admin socket for its `stats`.

    Raises:
        AdminError: There is no gateway.
    """
    path = Path(admin)
    found = sorted(path.parent.glob(f"{path.name}.worker-*"), key=lambda one: (len(one.name), one.name))
    workers = {one.name.removeprefix(f"{path.name}."): stats for one in found if (stats := _or_none(get, one))}
    return Look(clock(), workers or {"gateway": get(path)})


def between(before: Look | None, now: Look) -> list[WorkerNow]:
    """Return each worker's numbers; rates are None for a worker that was not there, or was another process, before."""
    seconds = now.at - before.at if before else 0.0
    earlier = before.workers if before and seconds > 0 else {}
    return [_worker(name, earlier.get(name), stats, seconds) for name, stats in now.workers.items()]


def as_json(workers: list[WorkerNow]) -> list[dict[str, Any]]:
    """Return plain JSON values."""
    return [asdict(one) for one in workers]


def _or_none(get: Callable[[str | os.PathLike[str]], Stats], path: Path) -> Stats | None:
    try:
        return get(path)
    except AdminError:
        return None


def _worker(name: str, before: Stats | None, now: Stats, seconds: float) -> WorkerNow:
    same = before is not None and before["pid"] == now["pid"]

    def rate(key: str) -> float | None:
        if not same or before is None:
            return None
        return max(0.0, (_total(now[key]) - _total(before[key])) / seconds)

    return WorkerNow(
        worker=name,
        deliveries_per_s=rate("deliveries"),
        published_per_s=rate("published"),
        opened_per_s=rate("accepted"),
        closed_per_s=rate("closes"),
        dropped_per_s=rate("dropped"),
        **{key: now[key] for key in GAUGES},
    )


def _total(value: float | dict[str, float]) -> float:
    return sum(value.values()) if isinstance(value, dict) else value
