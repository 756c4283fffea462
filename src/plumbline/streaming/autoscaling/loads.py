"""Load over time: recorded (CSV) or made from a shape; what the simulator replays. Pure but for reading one file."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

COLUMNS = ("t_s", "connections", "deliveries_per_second")
LONGEST_S = 31 * 86_400.0


class LoadError(ValueError):
    """The load cannot be used; the message is one sentence that says where and why."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many clients want to be connected, and how much they are sent.

    Args:
        at: Times in seconds, growing, the first one 0; shape `(n,)`, n >= 2.
        connections: Clients that want a connection at each time; shape `(n,)`, >= 0.
        deliveries: Messages per second for all of them together; shape `(n,)`, >= 0.
        name: What to call it in reports.
    """

    at: tuple[float, ...]
    connections: tuple[float, ...]
    deliveries: tuple[float, ...]
    name: str

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.at[-1]

    def now(self, at: float) -> tuple[float, float]:
        """Return connections and deliveries per second at a time, straight lines between the points."""
        right = min(max(bisect_right(self.at, at), 1), len(self.at) - 1)
        left = right - 1
        share = min(max((at - self.at[left]) / (self.at[right] - self.at[left]), 0.0), 1.0)
        return (
            self.connections[left] + share * (self.connections[right] - self.connections[left]),
            self.deliveries[left] + share * (self.deliveries[right] - self.deliveries[left]),
        )


def read(path: Path) -> Load:
    """Read a recorded load: CSV with the columns t_s, connections, deliveries_per_second.

    Raises:
        LoadError: The file cannot be read, a column is missing, or a value does not fit.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise LoadError(
                    f"{path}: has no column {', '.join(missing)}; the first line must be {','.join(COLUMNS)}"
                )
            rows = [_row(path, number, row) for number, row in enumerate(reader, 2)]
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise LoadError(f"{path}: {error}") from None
    return _checked(path, rows)


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[float, float, float]:
    try:
        at, connections, deliveries = (float(row[name]) for name in COLUMNS)
    except (TypeError, ValueError):
        raise LoadError(
            f"{path}:{line}: every column wants a number, not {', '.join(map(repr, row.values()))}"
        ) from None
    if not (math.isfinite(at) and 0 <= connections < math.inf and 0 <= deliveries < math.inf):
        raise LoadError(f"{path}:{line}: numbers must be finite, and connections and deliveries not negative")
    return at, connections, deliveries


def _checked(path: Path, rows: list[tuple[float, float, float]]) -> Load:
    if len(rows) < 2:
        raise LoadError(f"{path}: two rows at least are wanted, there are {len(rows)}")
    for line, (before, after) in enumerate(pairwise(rows), 3):
        if after[0] <= before[0]:
            raise LoadError(f"{path}:{line}: t_s must grow, but {after[0]:g} follows {before[0]:g}")
    if rows[-1][0] - rows[0][0] > LONGEST_S:
        raise LoadError(f"{path}: is longer than 31 days; cut it")
    at, connections, deliveries = zip(*rows, strict=True)
    return Load(tuple(one - at[0] for one in at), connections, deliveries, path.name)


def shape(name: str, *, low: float, high: float, period_s: float, duration_s: float, per_connection: float) -> Load:
    """Make a load.

    Args:
        name: One of `SHAPES`.
        low: Fewest connections.
        high: Most connections.
        period_s: Length of one wave in seconds (`daily`, `square`), or when it happens (`step`, `spike`).
        duration_s: Length of the load in seconds.
        per_connection: Messages per second that each connection is sent.

    Raises:
        LoadError: There is no such shape, or the numbers make none.
    """
    if name not in SHAPES:
        raise LoadError(f"there is no shape '{name}'; known are {', '.join(SHAPES)}, or give a CSV file")
    if not (0 <= low <= high < math.inf and period_s > 0 and 0 < duration_s <= LONGEST_S and per_connection >= 0):
        raise LoadError("a shape wants 0 <= low <= high, a period and a duration of up to 31 days above 0")
    step = max(1.0, duration_s / 20_000)
    at = tuple(number * step for number in range(int(duration_s / step) + 1))
    connections = tuple(low + (high - low) * SHAPES[name](one / period_s) for one in at)
    return Load(at, connections, tuple(per_connection * one for one in connections), name)


SHAPES: dict[str, Callable[[float], float]] = {
    "daily": lambda wave: 0.5 - 0.5 * math.cos(2 * math.pi * wave),
    "square": lambda wave: float(wave % 1 >= 0.5),
    "step": lambda wave: float(wave >= 1),
    "spike": lambda wave: math.exp(-(wave - 1) * 6) if wave >= 1 else 0.0,
}
"""Shapes between 0 and 1, of time in periods."""
