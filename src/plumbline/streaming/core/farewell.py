"""When each client is asked to come back, and when it is closed if it does not: even slices, at random. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NOTICED = 0.8  # of the window: by then all were asked to leave; the rest is for those who do not
LONGEST_NOTICE_S = 10.0
NOTICE = 0.1  # of a connection's age


@dataclass(frozen=True, slots=True)
class Leave:
    """One client's way out.

    Args:
        after_s: When it should connect anew, in seconds from now.
        close_s: When it is closed if it has not gone by itself, in seconds from now.
    """

    after_s: float
    close_s: float


def slices(count: int, within_s: float, shuffle: Callable[[list[float]], None]) -> list[Leave]:
    """Return a way out for each of `count` clients, in no order that means anything.

    Moments to leave lie evenly over the first 80 % of the window, so that those who take the clients in get them at an
    even rate; each client has a fifth of the window, and a second at most, to go by itself.

    Args:
        count: Clients.
        within_s: The window in seconds; all are closed by then.
        shuffle: Puts a list in random order, so that no client is always first.
    """
    moments = [(number + 1) / max(1, count) * within_s * NOTICED for number in range(count)]
    shuffle(moments)
    spare_s = min(1.0, within_s * (1 - NOTICED))
    return [Leave(moment, moment + spare_s) for moment in moments]


def lifetime(age_s: float, jitter: float, chance: float) -> float:
    """Return how long one connection may live, in seconds.

    Args:
        age_s: The longest lifetime.
        jitter: Part of it by which a lifetime may be shorter.
        chance: 0 to 1, at random.
    """
    return age_s * (1 - jitter * chance)


def notice(age_s: float) -> float:
    """Return how long before its end a connection is told, in seconds: a tenth of its life, and 10 s at most."""
    return min(LONGEST_NOTICE_S, NOTICE * age_s)
