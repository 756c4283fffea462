"""Which limit binds: a judgement over samples, in one sentence with its evidence. Pure values.

Hard limits come first: what they refuse, no CPU could serve. Then the generator, since what it measures while it is
itself too slow is its own lateness. Then the server, then the machine that both share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plumbline.streaming.load.sampling import ProcessSample, Sample

FULL = 0.95
"""Share of a limit from which it counts as reached: of file descriptors, TCP memory, one core."""
BUSY = 0.90
"""Cores in use by one thread from which its queue grows: at 90 % one waits nine service times on average (M/M/1)."""
LATE_S = 0.1
"""An event loop that wakes up this late delays everybody: the bar for deliveries is p99 < 100 ms."""
OFTEN = 0.2
"""Share of the samples that must show a soft limit: one busy second is no bottleneck."""
QUEUED = 0.5
"""Share of its byte limit at which one connection's queue is held to be the limit."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator met, besides the samples.

    Args:
        failures: Failed attempts to connect, by word (`ports`, `descriptors`, `refused`, …).
        generator_lag_s: How late the generator's own loop was, worst of each second.
        unsent: Messages that were due and never went out.
        queue_limit_bytes: The gateway's `queue_max_bytes`; 0 if unknown.
        slow_closes: Connections that the server closed for reading too slowly.
    """

    failures: dict[str, int]
    generator_lag_s: Sequence[float] = ()
    unsent: int = 0
    queue_limit_bytes: int = 0
    slow_closes: int = 0


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The verdict.

    Args:
        limit: `ports`, `descriptors`, `accept-queue`, `kernel-memory`, `generator`, `server-cpu`, `loop-lag`,
            `queues`, `machine-cpu`, or `none`.
        where: `generator`, `server`, `kernel`, `machine` or empty.
        sentence: For people.
        evidence: Figures behind it, one phrase each.
    """

    limit: str
    where: str
    sentence: str
    evidence: tuple[str, ...] = ()


Rule = Callable[[Sequence[Sample], Load], Bottleneck | None]


def find(samples: Sequence[Sample], load: Load) -> Bottleneck:
    """Return the limit that binds; `none` if no limit was reached."""
    for rule in RULES:
        found = rule(samples, load)
        if found is not None:
            return found
    return Bottleneck("none", "", f"No limit was reached{_nearest(samples)}.")


def _ports(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    failed = load.failures.get("ports", 0)
    if not failed:
        return None
    waiting = max((one.kernel.time_wait for one in samples if one.kernel), default=0)
    return Bottleneck(
        "ports",
        "generator",
        f"The generator ran out of ports: {failed} attempts failed with EADDRNOTAVAIL.",
        (
            f"{failed} times EADDRNOTAVAIL",
            f"at most {waiting} sockets in TIME_WAIT",
            "one source address has 28,232 ports",
        ),
    )


def _descriptors(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    for where in ("server", "generator"):
        fullest = max(
            _all(samples, where), key=lambda one: one.descriptors / max(1, one.descriptors_limit), default=None
        )
        if fullest and fullest.descriptors_limit and fullest.descriptors >= FULL * fullest.descriptors_limit:
            part = fullest.descriptors / fullest.descriptors_limit
            return Bottleneck(
                "descriptors",
                where,
                f"The {where} ran out of file descriptors: {fullest.name} ({fullest.pid}) held {fullest.descriptors:,} "
                f"of {fullest.descriptors_limit:,} ({part:.0%}).",
                (f"{fullest.descriptors} of {fullest.descriptors_limit} descriptors",),
            )
    failed = load.failures.get("descriptors", 0)
    if failed:
        text = f"The generator ran out of file descriptors: {failed} attempts failed with EMFILE."
        return Bottleneck("descriptors", "generator", text, (f"{failed} times EMFILE",))
    return None


def _accept_queue(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    overflows = sum(one.kernel.listen_overflows for one in samples if one.kernel)
    if not overflows:
        return None
    fullest = max((stats.get("accept_queue") or 0 for one in samples for stats in one.gateway), default=0)
    return Bottleneck(
        "accept-queue",
        "server",
        f"The accept queue overflowed {overflows:,} times: connections waited for SYNs sent again after 1 s and more.",
        (
            f"ListenOverflows +{overflows}",
            f"at most {fullest} seen waiting",
            f"{load.failures.get('timeout', 0)} time-outs",
        ),
    )


def _kernel_memory(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    del load
    most = max((one.kernel for one in samples if one.kernel), key=lambda one: one.tcp_pages, default=None)
    if most is None or most.tcp_pages < FULL * most.tcp_pages_limit:
        return None
    return Bottleneck(
        "kernel-memory",
        "kernel",
        f"TCP buffers filled the kernel's limit: {most.tcp_pages:,} of {most.tcp_pages_limit:,} pages (tcp_mem); every "
        "connection of the machine is slowed down.",
        (f"{most.tcp_pages} of {most.tcp_pages_limit} pages", f"{most.sockets} TCP sockets"),
    )


def _generator(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    busy, part = _busiest(samples, "generator")
    late = [lag for lag in load.generator_lag_s if lag >= LATE_S]
    if busy is not None and part >= OFTEN:
        return Bottleneck(
            "generator",
            "generator",
            f"The generator itself was the limit: its process {busy.pid} used {busy.busiest_thread:.0%} of a core, so "
            "part of the latency is its own; use more processes, or another machine for it.",
            (f"{part:.0%} of the samples at {BUSY:.0%} of a core or more", *_lateness(load)),
        )
    if load.generator_lag_s and len(late) >= OFTEN * len(load.generator_lag_s) and _starved(samples) < FULL:
        return Bottleneck(
            "generator",
            "generator",
            f"The generator itself was the limit: its loop was up to {max(late):.2f} s late.",
            (f"{len(late)} of {len(load.generator_lag_s)} seconds with a lag of {LATE_S:g} s or more",),
        )
    return None


def _server_cpu(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    del load
    busy, part = _busiest(samples, "server")
    if busy is None or part < OFTEN:
        return None
    lags = [stats.get("loop_lag_s") or 0.0 for one in samples for stats in one.gateway]
    return Bottleneck(
        "server-cpu",
        "server",
        f"The server's CPU was the limit: one thread of {busy.name} ({busy.pid}) used {busy.busiest_thread:.0%} of a "
        "core.",
        (
            f"{part:.0%} of the samples at {BUSY:.0%} of a core or more",
            f"loop lag up to {max(lags, default=0.0):.2f} s",
        ),
    )


def _loop_lag(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    del load
    told = [max((stats.get("loop_lag_s") or 0.0 for stats in one.gateway), default=0.0) for one in samples]
    late = [lag for lag in told if lag >= LATE_S]
    if not late or len(late) < OFTEN * len(told) or _starved(samples) >= FULL:
        return None
    return Bottleneck(
        "loop-lag",
        "server",
        f"The server's event loop was the limit: it woke up to {max(late):.2f} s late without using a whole core, so "
        "something blocks it.",
        (f"{len(late)} of {len(told)} samples with a lag of {LATE_S:g} s or more",),
    )


def _queues(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    fullest = max((stats.get("fullest_queue_bytes") or 0 for one in samples for stats in one.gateway), default=0)
    full = bool(load.queue_limit_bytes) and fullest >= QUEUED * load.queue_limit_bytes
    if not full and not load.slow_closes:
        return None
    text = f"A reader's queue was the limit: the fullest held {fullest:,} bytes"
    if load.queue_limit_bytes:
        text += f" of {load.queue_limit_bytes:,}"
    closes = f"; {load.slow_closes} readers were closed for it" if load.slow_closes else ""
    return Bottleneck("queues", "server", f"{text}{closes}.", (f"fullest queue {fullest} bytes",))


def _machine(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    share = _starved(samples)
    if share < FULL:
        return None
    cores = next((one.kernel.cores for one in samples if one.kernel), 0)
    return Bottleneck(
        "machine-cpu",
        "machine",
        f"The machine's CPU was the limit: all {cores} cores were in use ({share:.0%}) by server, generator and what "
        "else runs here.",
        (f"median of all cores {share:.0%}", *_lateness(load)),
    )


RULES: tuple[Rule, ...] = (
    _ports,
    _descriptors,
    _accept_queue,
    _kernel_memory,
    _generator,
    _server_cpu,
    _loop_lag,
    _queues,
    _machine,
)


def _all(samples: Sequence[Sample], where: str) -> list[ProcessSample]:
    return [one for sample in samples for one in (sample.servers if where == "server" else sample.generators)]


def _busiest(samples: Sequence[Sample], where: str) -> tuple[ProcessSample | None, float]:
    """Return the busiest process, and in what share of the samples a thread was busy."""
    rows = [sample.servers if where == "server" else sample.generators for sample in samples]
    rows = [row for row in rows if row]
    busy = [row for row in rows if max(one.busiest_thread for one in row) >= BUSY]
    if not busy:
        return None, 0.0
    return max((one for row in busy for one in row), key=lambda one: one.busiest_thread), len(busy) / len(rows)


def _starved(samples: Sequence[Sample]) -> float:
    """Return the median share of all cores in use."""
    shares = sorted(one.kernel.cpu for one in samples if one.kernel)
    return shares[len(shares) // 2] if shares else 0.0


def _lateness(load: Load) -> tuple[str, ...]:
    return (f"generator up to {max(load.generator_lag_s):.2f} s late",) if load.generator_lag_s else ()


def _nearest(samples: Sequence[Sample]) -> str:
    """Say how near the busiest things came."""
    said = []
    for where in ("server", "generator"):
        most = max((one.busiest_thread for one in _all(samples, where)), default=None)
        if most is not None:
            said.append(f"the {where}'s busiest thread used {most:.0%} of a core")
    return f": at most {' and '.join(said)}" if said else ""
