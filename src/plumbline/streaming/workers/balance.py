"""Whom to ask to come back elsewhere when connections are spread unevenly. Pure.

`SO_REUSEPORT` gives new connections to workers by a hash and never moves one that exists: a worker that started later
stays empty while the others stay full. So the fuller ones ask their surplus to reconnect. The kernel's hash spreads
those who come back over all workers, the full ones too: it takes a few rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

AT_MOST = 0.2  # of a worker's connections in one round: a bounded wave of reconnects


def spread(connections: Mapping[int, int]) -> float:
    """Return the most loaded worker's connections through the mean; 1 is even, and what nothing at all is taken for."""
    mean = sum(connections.values()) / len(connections) if connections else 0.0
    return max(connections.values()) / mean if mean else 1.0


def surplus(connections: Mapping[int, int], tolerance: float, at_most: float = AT_MOST) -> dict[int, int]:
    """Return how many connections each overloaded worker should let go, so that they come back elsewhere.

    Args:
        connections: By worker.
        tolerance: Fraction above the mean that is left alone.
        at_most: Fraction of a worker's connections that may go in one round.
    """
    if len(connections) < 2:
        return {}
    mean = sum(connections.values()) / len(connections)
    found = {}
    for worker, count in connections.items():
        # Of those who are let go one in len(connections) comes back here.
        wanted = (count - mean) * len(connections) / (len(connections) - 1)
        go = min(math.floor(wanted), math.floor(count * at_most))
        if count > mean * (1 + tolerance) and go > 0:
            found[worker] = go
    return found
