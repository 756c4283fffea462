"""Several workers' answers as one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

FULLEST = 50  # queues named one by one, as in the evidence
RECENT = 200  # closes, as in a worker's ledger
LARGEST = frozenset({"fullest_queue_bytes", "loop_lag_s", "uptime_s"})  # of these the largest stands for all
ALIKE = frozenset({"pid", "open_files_limit", "accept_backlog"})  # of each worker; their sum says nothing


def stats(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counters and gauges of all workers together: sums, but the worst of lags and fullest queues."""
    found: dict[str, Any] = {}
    for answer in answers:
        for key, value in answer.items():
            found[key] = _joined(key, found.get(key), value)
    return found


def _joined(key: str, before: Any, value: Any) -> Any:
    if before is None or value is None:
        return value if before is None else before
    if isinstance(value, Mapping):
        return dict(Counter(before) + Counter(value)) if _counts(before) and _counts(value) else {**before, **value}
    if key in LARGEST:
        return max(before, value)
    if key in ALIKE or isinstance(value, str | bool) or not isinstance(value, int | float):
        return before
    return round(before + value, 6) if isinstance(value, float) else before + value


def _counts(value: Mapping[str, Any]) -> bool:
    return all(isinstance(count, int) for count in value.values())


def queues(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what waits in all workers, in the form of the evidence record `OutboundQueues`."""
    one = next(iter(answers.values()))
    rows = [
        {**row, "connection": f"{worker}:{row['connection']}"}
        for worker, answer in answers.items()
        for row in answer["queues"]
    ]
    rows.sort(key=lambda row: row["queued_bytes"] + (row["kernel_unsent_bytes"] or 0), reverse=True)
    sums = {
        key: sum(answer[key] or 0 for answer in answers.values())
        for key in ("connections", "queued_bytes", "resident_bytes", "held_publishers")
    }
    return {**one, **sums, "queues": rows[:FULLEST]}


def closes(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the last closes of all workers, newest first, in the form of the evidence record `Closes`."""
    one = next(iter(answers.values()))
    recent = sorted((item for answer in answers.values() for item in answer["recent"]), key=lambda item: item["ago_s"])
    connections = sum(answer["connections"] for answer in answers.values())
    return {**one, "connections": connections, "recent": recent[:RECENT]}
