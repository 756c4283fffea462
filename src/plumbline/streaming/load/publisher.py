"""A connection that publishes. What is due while it is away, or while its socket is full, waits with its due time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.streaming.load.dialects.base import Position
from plumbline.streaming.load.link import Link
from plumbline.streaming.load.stamp import Stamp, write
from plumbline.streaming.load.wire import Stage

if TYPE_CHECKING:
    from plumbline.streaming.load.crew import Crew
    from plumbline.streaming.load.plan import Role

RETRY_S = 0.25
RETRIED = ("unavailable", "rate-limited")  # refusals that ask for patience


@dataclass(slots=True)
class Message:
    """A message on its way to the server."""

    channel: str
    phase: int
    due_us: int
    size: int
    sequence: int


class Publisher(Link):
    """One publisher of a group.

    Args:
        crew: All connections of this process.
        role: What it publishes.
    """

    __slots__ = ("_waiting", "full", "number", "pending", "sent", "sequences")

    def __init__(self, crew: Crew, role: Role) -> None:
        super().__init__(crew, role)
        self.pending: dict[int, Message] = {}  # sent and not acknowledged
        self.sequences: dict[str, int] = {}
        self.number = 0
        self.sent = 0
        self.full = False
        self._waiting: deque[Message] = deque()

    @property
    def unsent(self) -> int:
        """Messages that are due and wait for the socket."""
        return len(self._waiting)

    def publish(self, channel: str, phase: int, due_us: int, size: int) -> None:
        """Send a message, or keep it until it can be sent."""
        sequence = self.sequences[channel] = self.sequences.get(channel, 0) + 1
        self._waiting.append(Message(channel, phase, due_us, size, sequence))
        self._flush()

    def _flush(self) -> None:
        while self._waiting and not self.full and self.stage == Stage.UP:
            message = self._waiting.popleft()
            self.number += 1
            self._send(self.number, message)

    def _send(self, number: int, message: Message) -> None:
        crew = self.crew
        payload = write(Stamp(message.phase, message.sequence, message.due_us), message.size)
        key = f"{self.role.number}-{number}"
        self.say(crew.dialect.publish(number, message.channel, payload, key, crew.version))
        self.sent += 1
        crew.published += 1
        if crew.dialect.acknowledges:
            self.pending[number] = message
        else:
            crew.heads.take(message.channel, "", message.sequence)

    def stored(self, number: int, position: Position | None, now_us: int) -> None:
        """The server has it; from now on every reader must get it."""
        message = self.pending.pop(number, None)
        if message is None:
            return
        self.crew.recorder.note(message.phase, "ack", now_us - message.due_us)
        epoch, offset = position if position is not None else ("", message.sequence)
        self.crew.heads.take(message.channel, epoch, offset)

    def refused(self, number: int | None, code: str) -> None:
        """Send again what the server asks patience for; count the rest."""
        if number is None or number not in self.pending:
            super().refused(number, code)
            return
        self.crew.heads.refused[code] += 1
        if code in RETRIED:
            asyncio.get_running_loop().call_later(RETRY_S, self._again, number)
        else:
            del self.pending[number]

    def _again(self, number: int) -> None:
        message = self.pending.get(number)
        if message is not None and self.stage == Stage.UP:
            self._send(number, message)

    def back(self) -> None:
        """Go on after the connection came up; what has no answer is sent again where a key makes that harmless."""
        self.full = False
        unanswered, self.pending = self.pending, {}
        if self.crew.version >= 2:
            for number, message in unanswered.items():
                self._send(number, message)
        elif unanswered:
            self.crew.heads.refused["unanswered"] += len(unanswered)
        self._flush()

    def pause_writing(self) -> None:
        """The socket is full: the server, or the way to it, is slower than the schedule."""
        self.full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self.full = False
        self._flush()
