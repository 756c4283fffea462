"""Is the gateway ready? It publishes a message of its own and waits until it has come back, as a client's would.

A port that answers proves nothing: what counts is whether messages are delivered, through the broker, to readers here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from plumbline.streaming.core.broker import BrokerError, Position
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.parsing import INTERNAL
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.fanout import Fanout

Told = Callable[[str | None], None]
REUSED_S = 0.25  # an answer is as good for the next who asks: a flood of questions is no flood of messages


class Owner(Protocol):
    """What the canary needs of the gateway."""

    settings: Settings
    counters: Counters
    fanout: Fanout
    node: str
    draining: bool

    def now(self) -> float:
        """Return the clock in seconds."""

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call this after that time."""


class Canary:
    """Sends one message at a time, for all who ask meanwhile.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._channel = f"{INTERNAL}canary.{owner.node}"
        self._listening = False
        self._flight = 0  # number of the last message
        self._asking: list[Told] = []
        self._answer: str | None = None
        self._answered_at = float("-inf")

    def ask(self, told: Told) -> None:
        """Call `told` with None if messages are delivered, else with a sentence that says why not."""
        owner = self._owner
        if owner.draining:
            told("the gateway is draining")
        elif owner.now() - self._answered_at < REUSED_S:
            told(self._answer)
        else:
            self._asking.append(told)
            if len(self._asking) == 1:
                self._send()

    def _send(self) -> None:
        owner = self._owner
        if not self._listening:
            self._listening = True
            owner.fanout.listen(self._channel, self._heard)
        self._flight += 1
        flight = self._flight
        limit_s = owner.settings.canary_timeout_s
        owner.later(limit_s, lambda: self._over(flight, f"no message came back within {limit_s:g} s"))
        owner.fanout.broker.publish(self._channel, b"%d" % flight, None, lambda told: self._stored(flight, told))

    def _stored(self, flight: int, told: Position | BrokerError) -> None:
        if isinstance(told, BrokerError):
            self._over(flight, f"the broker stores nothing: {told.message}")

    def _heard(self, position: Position, data: bytes) -> None:  # noqa: ARG002 - its place is of no interest
        self._owner.counters.deliveries -= 1  # to no client
        self._over(int(data), None)

    def _over(self, flight: int, answer: str | None) -> None:
        if flight != self._flight or not self._asking:
            return  # a late one: its answer was given
        self._answer, self._answered_at = answer, self._owner.now()
        asking, self._asking = self._asking, []
        for told in asking:
            told(answer)
