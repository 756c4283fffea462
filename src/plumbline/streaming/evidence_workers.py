"""How connections are spread over a server's processes, as evidence; `plumbline.streaming.evidence` offers it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed, process_of


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of a server."""

    worker: str = measured("", "its name; from a pid: `pid 1234`")
    pid: int | None = measured("", "process id; None while it is being started again")
    state: str = measured("", "starting, ready, draining or restarting; from a pid: unknown")
    connections: int | None = measured("{connection}", "open connections; None: it did not answer")
    resident_bytes: int | None = measured("By", "resident memory", default=None)
    loop_lag_s: float | None = measured("s", "worst lateness of its event loop in the last 10 to 20 s", default=None)
    deliveries: int | None = measured("{message}", "messages it handed to readers since it started", default=None)
    uptime_s: float | None = measured("s", "how long it has run", default=None)
    restarts: int | None = measured("{restart}", "times that a worker of this number died", default=None)
    crash_loop: bool | None = measured("1", "it dies again and again soon after its start", default=None)


@dataclass(frozen=True, slots=True)
class Workers:
    """How connections are spread over a server's processes."""

    workers: tuple[Worker, ...] = measured("", "the processes that serve clients, by name")
    balance_interval_s: float | None = measured(
        "s", "time between two rounds of rebalancing; 0: off, None: unknown", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def counts(self) -> tuple[int, ...]:
        """Connections of each process that takes clients and answered."""
        serving = [item for item in self.workers if item.state in ("ready", "unknown")]
        return tuple(item.connections for item in serving if item.connections is not None)

    @property
    def connections(self) -> int:
        """Connections of those processes together."""
        return sum(self.counts)

    @property
    def spread(self) -> float | None:
        """The most loaded process through the mean: 1 is even; None with fewer than two processes, or nobody there."""
        mean = self.connections / len(self.counts) if self.counts else 0.0
        return max(self.counts) / mean if mean and len(self.counts) > 1 else None


def workers_from_admin(endpoint: Endpoint) -> Workers:
    """Ask a supervisor for its workers; a gateway of one process is one worker.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    known = {item.name for item in fields(Worker)}
    try:
        rows = asked(endpoint, "workers")["workers"]
    except UnavailableError as failed:
        if failed.reason != "malformed" or "no view" not in failed.sentence:
            raise
        stats = asked(endpoint, "stats")
        rows = [{"worker": "gateway", "state": "ready", **stats}]
    try:
        interval = asked(endpoint, "settings").get("balance_interval_s")
        found = [{"connections": None, **{key: row[key] for key in row.keys() & known}} for row in rows]
        return Workers(tuple(Worker(**row) for row in found), interval)
    except (TypeError, KeyError, AttributeError) as error:
        raise malformed(endpoint, error) from None


def workers_from_pid(endpoint: Endpoint) -> Workers:
    """Count the connections of each process of any server: this one, its children, and its process group.

    Raises:
        UnavailableError: Not on Linux, no such process, or it belongs to another user.
    """
    from plumbline.streaming.probes import family

    with process_of(endpoint, "another process's connections can be counted on Linux only") as pid:
        found = family.serving(pid)
    return Workers(
        tuple(
            Worker(f"pid {one.pid}", one.pid, "unknown", one.connections, resident_bytes=one.resident_bytes)
            for one in found
        )
    )


Workers.sources = (
    Source(frozenset({"admin"}), "each worker's connections over the admin socket {admin}", workers_from_admin),
    Source(
        frozenset({"pid"}),
        "connections of process {pid}, its children, its process group: /proc/*/stat, /proc/PID/fd, /proc/PID/net/tcp",
        workers_from_pid,
    ),
)
