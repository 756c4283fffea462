"""What a run found, as plain JSON values: `plumbline.load/1`."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from plumbline.streaming.load.bottleneck import find
from plumbline.streaming.load.latency import Histogram, quantile
from plumbline.streaming.load.ledger import Totals
from plumbline.streaming.load.limits import Bottleneck, Load
from plumbline.streaming.load.sampling import Sample
from plumbline.streaming.load.scenario import Scenario

SCHEMA = "plumbline.load/1"
KINDS = ("delivery", "completion", "replayed", "slow", "ack", "request", "connect", "reconnect")


@dataclass(slots=True)
class Second:
    """One second of the run, over all generator processes."""

    at: float
    phase: str
    up: int = 0
    deliveries: int = 0
    published: int = 0
    requests: int = 0
    p50_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0


@dataclass(slots=True)
class Record:
    """Everything that is collected while the run lasts.

    Args:
        scenario: What was asked for.
        urls: Of the servers.
        started: When, in seconds since 1970.
    """

    scenario: Scenario
    urls: Sequence[str]
    started: float
    histograms: dict[tuple[int, str], Histogram] = field(default_factory=dict)
    seconds: list[Second] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)  # of the phases, in seconds of the run
    faults: list[dict[str, Any]] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    pending: dict[int, int] = field(default_factory=dict)  # latencies of this second
    phase_deliveries: Counter[int] = field(default_factory=Counter)

    def heard(self, state: dict[str, Any]) -> None:
        """Take the latencies of one process's last second."""
        self.lags.append(state["lag_s"])
        for phase, kind, values, counts in state["series"]:
            histogram = self.histograms.setdefault((phase, kind), Histogram())
            histogram.add(values, counts)
            if kind in ("delivery", "replayed", "slow"):
                self.phase_deliveries[phase] += sum(counts)
            if kind == "delivery":
                for value, count in zip(values, counts, strict=True):
                    self.pending[value] = self.pending.get(value, 0) + count

    def second(self, at: float, phase: str, totals: dict[str, float]) -> Second:
        """Close one second and return it."""
        counts, self.pending = self.pending, {}
        last = Second(
            at=round(at, 2),
            phase=phase,
            up=int(totals["up"]),
            deliveries=sum(self.phase_deliveries.values()),
            published=int(totals["published"]),
            requests=int(totals["requests"]),
            p50_s=quantile(counts, 0.5),
            p99_s=quantile(counts, 0.99),
            max_s=max(counts, default=0) / 1e6,
        )
        self.seconds.append(last)
        return last


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended.

    Args:
        states: The last state of each generator process.
        accounts: Totals of the usual readers, and of those that were slow on purpose.
        unsent: Messages that were due and did not go out, or had no answer.
        interrupted: The run was cut short.
        complaints: The last words of each generator process that died.
        queue_limit_bytes: The gateway's own limit; 0 if unknown.
        lasted_s: Length of the run, in seconds.
    """

    states: Sequence[dict[str, Any]]
    accounts: tuple[Totals, Totals]
    unsent: int
    interrupted: bool
    complaints: Sequence[str]
    queue_limit_bytes: int
    lasted_s: float

    @property
    def counts(self) -> list[dict[str, Any]]:
        """What each process counted."""
        return [state["counts"] for state in self.states]


def report(record: Record, end: End) -> dict[str, Any]:
    """Return the report of what was collected."""
    failures = _sum(one["failures"] for one in end.counts)
    slow_closes = _sum(one["slow_closes"] for one in end.counts)
    connected = not nobody(end.states)
    slow = sum(slow_closes.values())
    load = Load(failures, record.lags, end.unsent, end.queue_limit_bytes, slow, connected, tuple(record.urls))
    return {
        "schema": SCHEMA,
        "name": record.scenario.name,
        "urls": list(record.urls),
        "started_at": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "lasted_s": round(end.lasted_s, 2),
        "interrupted": end.interrupted,
        "complete": not end.interrupted and not end.complaints and connected,
        "connected": connected,
        "generators": len(end.states),
        "generators_lost": len(end.complaints),
        "complaint": "; ".join(filter(None, end.complaints)) or None,
        "machine": machine(),
        "scenario": record.scenario.model_dump(),
        "phases": [_phase(record, index) for index in range(len(record.times))],
        "ledger": asdict(end.accounts[0]),
        "slow_readers": asdict(end.accounts[1]) | {"closes": dict(slow_closes)},
        "messages": _messages(end),
        "requests": {key: sum(one[key] for one in end.counts) for key in ("requests", "answers")},
        "connections": _connections(end, failures),
        "recovery": {key: sum(one[key] for one in end.counts) for key in ("recovered", "unrecovered")},
        "faults": record.faults,
        "bottleneck": asdict(find(record.samples, load)),
        "seconds": [asdict(one) for one in record.seconds],
        "samples": [asdict(one) for one in record.samples],
    }


def nobody(states: Iterable[dict[str, Any]]) -> bool:
    """Return True if attempts to connect failed and none has ever succeeded, by the last states of the processes."""
    known = list(states)
    return any(one["counts"]["failures"] for one in known) and not any(one["up"] or one["wanted_s"] for one in known)


def _messages(end: End) -> dict[str, Any]:
    return {
        "published": sum(state["published"] for state in end.states),
        "taken": sum(state["taken"] for state in end.states),
        "unsent": end.unsent,
        "refused": dict(_sum(state["refused"] for state in end.states)),
        "refusals": dict(_sum(state["refusals"] for state in end.states)),
    }


def _connections(end: End, failures: Counter[str]) -> dict[str, Any]:
    up_s, wanted_s = sum(state["up_s"] for state in end.states), sum(state["wanted_s"] for state in end.states)
    return {
        "attempts": sum(one["attempts"] for one in end.counts),
        "failures": dict(failures),
        "closes": dict(_sum(one["closes"] for one in end.counts)),
        "ended_subscriptions": dict(_sum(state["ended"] for state in end.states)),
        "asked_to_return": sum(one["returns"] for one in end.counts),
        "up_s": round(up_s, 3),
        "wanted_s": round(wanted_s, 3),
        "uptime": round(up_s / wanted_s, 6) if wanted_s else None,
    }


def _phase(record: Record, index: int) -> dict[str, Any]:
    begin, end = record.times[index]
    phase = record.scenario.phases[index]
    series = {kind: record.histograms[(index, kind)] for kind in KINDS if (index, kind) in record.histograms}
    arrived = record.phase_deliveries[index]
    return {
        "name": phase.name,
        "began_s": round(begin, 3),
        "ended_s": round(end, 3),
        "deliveries": arrived,
        "deliveries_per_s": round(arrived / (end - begin), 1) if end > begin else 0.0,
        "closed_loop": any(one.window for one in phase.publish),
        "latency": {kind: histogram.summary() for kind, histogram in series.items()},
        "curves": {kind: histogram.curve() for kind, histogram in series.items()},
    }


def _sum(counters: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def machine() -> dict[str, Any]:
    """Return what figures depend on: the machine, its system, Python, and how busy it was."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - one line of it is read
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
    }


def verdict(report: dict[str, Any]) -> Bottleneck:
    """Return the bottleneck of a report."""
    return Bottleneck(**report["bottleneck"] | {"evidence": tuple(report["bottleneck"]["evidence"])})
