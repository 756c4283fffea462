"""What the gateway counts: plain numbers that cost nothing to raise; metrics and admin socket read them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

LAG_WINDOW_S = 10.0


@dataclass(slots=True)
class Counters:
    """Events since the start.

    Args:
        accepted: TCP connections taken from the kernel.
        accept_failures: `accept` calls that failed, by errno name (`EMFILE`).
        handshake_timeouts: Connections that did not complete a request in time.
        rejected: Handshakes refused, by reason (`max-connections`, `origin`, `draining`, `region-gone`).
        published: Messages published.
        deliveries: Messages handed to readers (published times readers).
        dropped: Messages that the overflow policy forgot, by policy.
        overflows: Times that a queue was found full, by policy.
        holds: Times that a publisher had to wait for a slow reader.
        errors: Requests answered with an error, by code.
        pings: Heartbeats sent.
        limited: Commands and frames beyond a rate, by limit (`commands`, `bytes`, `frames`, `user-commands`, …).
        tokens: Tokens looked at, by result (`accepted`, `refreshed`, `bad-token`, `token-expired`).
        requests: Commands carried out, by verb.
        recoveries: Subscriptions that asked for what they missed, by result (`recovered`, `failed`).
        replayed: Messages sent to recover.
        coalesced: Messages that a newer one replaced for readers who want the newest only.
        position_checks: Channels compared with the head of their stream.
        position_gaps: Channels that were found behind it: messages had been lost in silence.
        interruptions: Times that the broker lost continuity.
        ended: Subscriptions that the gateway ended, by code.
        broker_errors: Requests that the broker did not carry out, by code.
    """

    accepted: int = 0
    accept_failures: Counter[str] = field(default_factory=Counter)
    handshake_timeouts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    published: int = 0
    deliveries: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    overflows: Counter[str] = field(default_factory=Counter)
    holds: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    pings: int = 0
    limited: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    recoveries: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    coalesced: int = 0
    position_checks: int = 0
    position_gaps: int = 0
    interruptions: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    broker_errors: Counter[str] = field(default_factory=Counter)


class LoopLag:
    """How late the event loop wakes up: the worst of the last 10 to 20 seconds; the clock is passed in."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._worst = 0.0
        self._before = 0.0

    def note(self, late_s: float, now: float) -> None:
        """Note that a timer rang `late_s` seconds late."""
        if now - self._began >= LAG_WINDOW_S:
            self._before, self._worst, self._began = self._worst, 0.0, now
        self._worst = max(self._worst, late_s)

    @property
    def worst_s(self) -> float:
        """The longest delay, in seconds."""
        return max(self._worst, self._before)
