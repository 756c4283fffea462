"""When messages are due: an open-loop schedule that no answer and no stall can shift. Pure values.

A closed loop sends less while the server stalls and so hides the stall from its own percentiles ("coordinated
omission", as Gil Tene named it). Here every message has its due time in advance, and its latency counts from then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Due:
    """One message to be.

    Args:
        at: Seconds on the run's clock.
        channel: Index in its group.
    """

    at: float
    channel: int


def due(
    start: float,
    end: float,
    per_s: float,
    channels: int,
    *,
    part: int = 0,
    parts: int = 1,
    random_seed: int | None = None,
) -> Iterator[Due]:
    """Yield what one of `parts` publishers sends from `start` to `end`, in order.

    Message k goes to channel k modulo `channels`; publisher `part` has the channels with index modulo `parts` = `part`,
    so each channel has one publisher and its messages one order.

    Args:
        start: Of the phase, in seconds.
        end: Of the phase, in seconds; nothing is due at or after it.
        per_s: Messages per second over all channels and publishers.
        channels: How many there are.
        part: This publisher.
        parts: How many publishers there are.
        random_seed: Exponential gaps (a Poisson process) from this seed, the same for all parts; None: even gaps.
    """
    chance = random.Random(random_seed) if random_seed is not None else None  # noqa: S311 - a schedule is no secret
    number, at = 0, start
    while True:
        if chance is None:
            at = start + number / per_s
        elif number:
            at += chance.expovariate(per_s)
        if at >= end:
            return
        channel = number % channels
        if channel % parts == part:
            yield Due(at, channel)
        number += 1
