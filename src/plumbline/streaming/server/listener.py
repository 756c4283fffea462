"""A reader inside of this process, as the fan-out sees readers."""

from __future__ import annotations

from collections.abc import Callable

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.message import Message
from plumbline.streaming.server.run import Run


class Listener:
    """A reader inside of this process.

    Args:
        heard: Called with each message's position and JSON text.
    """

    __slots__ = ("heard", "live", "waiters")

    def __init__(self, heard: Callable[[Position, bytes], None]) -> None:
        self.heard = heard
        self.live = True
        self.waiters: None = None

    def deliver(self, message: Message, now: float) -> None:  # noqa: ARG002 - as connections have it
        """Pass it on."""
        if message.position is not None and message.data is not None:
            self.heard(message.position, message.data)

    def take(self, run: Run, now: float) -> None:
        """Pass them on."""
        for message in run.messages:
            self.deliver(message, now)

    def has_room(self, size: int, messages: int = 1) -> bool:  # noqa: ARG002 - as connections have it
        """Say yes: nothing waits here."""
        return True
