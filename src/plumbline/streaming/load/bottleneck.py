"""Which limit binds: a judgement over samples, in one sentence with its evidence. Pure values.

Hard limits come first: what they refuse, no CPU could serve. Then the generator, since what it measures while it is
itself too slow is its own lateness. Then the server, then the machine that both share.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from plumbline.streaming.load.hard_limits import HARD
from plumbline.streaming.load.limits import FULL, Bottleneck, Load, Rule, processes
from plumbline.streaming.load.sampling import ProcessSample, Sample

BUSY = 0.90
"""Cores in use by one thread from which its queue grows: at 90 % one waits nine service times on average (M/M/1)."""
LATE_S = 0.1
"""An event loop that wakes up this late delays everybody: the bar for deliveries is p99 < 100 ms."""
OFTEN = 0.2
"""Share of the samples that must show a soft limit: one busy second is no bottleneck."""
QUEUED = 0.5
"""Share of its byte limit at which one connection's queue is held to be the limit."""
STARVED = 0.3
"""Share of a loop's lateness in which its thread was ready to run and had no processor, from which that is the reason:
that of the diagnostic streaming.event-loop-blocked."""


def find(samples: Sequence[Sample], load: Load) -> Bottleneck:
    """Return the limit that binds; `none` if no limit was reached."""
    for rule in RULES:
        found = rule(samples, load)
        if found is not None:
            return found
    return Bottleneck("none", "", f"No limit was reached{_nearest(samples)}.")


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
    if not late or len(late) < OFTEN * len(load.generator_lag_s) or _in_use(samples) >= FULL:
        return None
    often = f"{len(late)} of {len(load.generator_lag_s)} seconds with a lag of {LATE_S:g} s or more"
    waited = _longest_wait(processes(samples, "generator"))
    if _starved([(max(late), waited)]):
        return _others("generator", max(late), (often, _said(waited)))
    text = f"The generator itself was the limit: its loop was up to {max(late):.2f} s late."
    return Bottleneck("generator", "generator", text, (often,))


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
    told = [_lateness_of_server(one)[0] for one in samples]
    late = [lag for lag in told if lag >= LATE_S]
    if not late or len(late) < OFTEN * len(told) or _in_use(samples) >= FULL:
        return None
    often = f"{len(late)} of {len(told)} samples with a lag of {LATE_S:g} s or more"
    stalls = _stalls(samples)
    waits = [waited for _, waited in stalls if waited is not None]
    if _starved(stalls):
        return _others("server", max(late), (often, _said(max(waits)), f"all cores {_in_use(samples):.0%} in use"))
    text = (
        f"The server's event loop was the limit: it woke up to {max(late):.2f} s late without using a whole core, so "
    )
    text += "something blocks it." if waits else "something blocks it, or others had the processor."
    return Bottleneck("loop-lag", "server", text, (often,))


def _others(whose: str, late_s: float, evidence: tuple[str, ...]) -> Bottleneck:
    text = (
        f"Others had the processor: the {whose}'s event loop woke up to {late_s:.2f} s late, because its thread was "
        "ready to run and had no core; nothing blocks it."
    )
    return Bottleneck("machine-cpu", "machine", text, evidence)


def _said(waited: float | None) -> str:
    return f"its thread was ready to run and had no core for up to {waited or 0.0:.2f} s of a second"


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
    share = _in_use(samples)
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


RULES: tuple[Rule, ...] = (*HARD, _generator, _server_cpu, _loop_lag, _queues, _machine)


def _busiest(samples: Sequence[Sample], where: str) -> tuple[ProcessSample | None, float]:
    """Return the busiest process, and in what share of the samples a thread was busy."""
    rows = [sample.servers if where == "server" else sample.generators for sample in samples]
    rows = [row for row in rows if row]
    busy = [row for row in rows if max(one.busiest_thread for one in row) >= BUSY]
    if not busy:
        return None, 0.0
    return max((one for row in busy for one in row), key=lambda one: one.busiest_thread), len(busy) / len(rows)


def _in_use(samples: Sequence[Sample]) -> float:
    """Return the median share of all cores in use."""
    shares = sorted(one.kernel.cpu for one in samples if one.kernel)
    return shares[len(shares) // 2] if shares else 0.0


def _lateness(load: Load) -> tuple[str, ...]:
    return (f"generator up to {max(load.generator_lag_s):.2f} s late",) if load.generator_lag_s else ()


def _nearest(samples: Sequence[Sample]) -> str:
    """Say how near the busiest things came."""
    said = []
    for where in ("server", "generator"):
        most = max((one.busiest_thread for one in processes(samples, where)), default=None)
        if most is not None:
            said.append(f"the {where}'s busiest thread used {most:.0%} of a core")
    return f": at most {' and '.join(said)}" if said else ""


def _lateness_of_server(sample: Sample) -> tuple[float, int | None]:
    """Return how late the latest event loop of a gateway was by its own account, in seconds, and its process."""
    told = [(one.get("loop_lag_s") or 0.0, one.get("pid")) for one in sample.gateway]
    return max(told, key=lambda one: one[0], default=(0.0, None))


def _stalls(samples: Sequence[Sample]) -> list[tuple[float, float | None]]:
    """Return how late the loop was and how long its thread waited for a processor in that second, None if unknown.

    A gateway tells the worst of its last 10 to 20 s; so the second of a stall is the one in which that figure rose. If
    it never rose, the worst is held against the longest wait.
    """
    found: list[tuple[float, float | None]] = []
    for before, after in pairwise(samples):
        lag, pid = _lateness_of_server(after)
        if lag >= LATE_S and lag > _lateness_of_server(before)[0]:
            of_worker = [one for one in after.servers if one.pid == pid]
            found.append((lag, _longest_wait(of_worker or after.servers)))
    worst = max((_lateness_of_server(one)[0] for one in samples), default=0.0)
    return found or [(worst, _longest_wait(processes(samples, "server")))]


def _longest_wait(taken: Sequence[ProcessSample]) -> float | None:
    return max((one.waited_s for one in taken if one.waited_s is not None), default=None)


def _starved(stalls: Sequence[tuple[float, float | None]]) -> bool:
    """Return True if a thread was ready and had no processor for a good part of its lateness."""
    known = [(lag, min(lag, waited)) for lag, waited in stalls if waited is not None]
    return sum(waited for _, waited in known) >= STARVED * sum(lag for lag, _ in known) > 0
