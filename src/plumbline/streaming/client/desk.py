"""Where the parts of a session lay down what they want: commands to send, actions to do, times to wake up. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from random import Random

from plumbline.streaming.client.actions import Action, Send
from plumbline.streaming.client.counts import Counts
from plumbline.streaming.client.wire import batches

Key = tuple[str, int | str]
"""What a time is for: a kind, and an id or a channel."""


@dataclass(slots=True)
class Limits:
    """What the gateway takes in one message.

    Args:
        max_message_bytes: Bytes; the greeting tells.
        max_batch: Commands.
    """

    max_message_bytes: int = 65536
    max_batch: int = 32


@dataclass(slots=True)
class Desk:
    """Shared by the parts of one session.

    Args:
        rng: Where chance comes from.
        counts: What is counted.
        request_timeout_s: Time for an answer, in seconds.
        greeted: The connection stands, and commands may be sent.
        limits: What the gateway takes.
    """

    rng: Random
    counts: Counts
    request_timeout_s: float
    greeted: bool = False
    limits: Limits = field(default_factory=Limits)
    actions: list[Action] = field(default_factory=list)
    _commands: list[str] = field(default_factory=list)
    _times: list[tuple[float, int, Key]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)
    _ids: count[int] = field(default_factory=lambda: count(1))

    def next_id(self) -> int:
        """Return an id that no other request of this session has, on whatever connection."""
        return next(self._ids)

    def say(self, command: str) -> None:
        """Send this command with the next message."""
        self._commands.append(command)

    def wake_at(self, time: float, key: Key) -> None:
        """Wake up then; whether it still matters is looked at then."""
        heapq.heappush(self._times, (time, next(self._order), key))

    @property
    def due(self) -> float | None:
        """The next time to wake up, or None."""
        return self._times[0][0] if self._times else None

    def woken(self, now: float) -> list[Key]:
        """Return what the time has come for."""
        over: list[Key] = []
        while self._times and self._times[0][0] <= now:
            over.append(heapq.heappop(self._times)[2])
        return over

    def silence(self) -> None:
        """Forget the commands that were not sent: the connection is gone."""
        self._commands.clear()

    def take(self) -> list[Action]:
        """Return what is to be done, and forget it."""
        if self._commands:
            commands, self._commands = self._commands, []
            joined = batches(commands, self.limits.max_batch, self.limits.max_message_bytes)
            self.actions.extend(Send(text) for text in joined)
        actions, self.actions = self.actions, []
        return actions
