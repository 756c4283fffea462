"""What a connection needs of the gateway, whatever its transport."""

from __future__ import annotations

from typing import Any, Protocol

from plumbline.streaming.core.closes import Ended
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.core.settings import Settings


class Owner(Protocol):
    """The gateway, as a connection sees it."""

    settings: Settings
    limits: Limits
    turn: int

    def now(self) -> float:
        """Return the clock in seconds."""

    def opened(self, connection: Any) -> None:
        """The handshake is complete."""

    def heard(self, connection: Any) -> None:
        """The client gave a sign of life."""

    def flush_later(self, connection: Any) -> None:
        """Call `flush` at the end of this turn of the loop."""

    def policy(self, channel: str | None) -> Overflow:
        """Return what a full queue does with this channel's messages; with None, with answers."""

    def overflowed(self, connection: Any, channel: str | None, dropped: int) -> None:
        """The outbox was full when this channel's message came.

        Args:
            connection: Whose it is.
            channel: None for an answer.
            dropped: Messages that were forgotten; 0: none could be, and the connection has to be closed.
        """

    def between(self) -> None:
        """One of perhaps thousands that go in one turn is seen off."""

    def stalled(self, connection: Any) -> None:
        """The kernel takes no more bytes for this client."""

    def writable(self, connection: Any) -> None:
        """It takes bytes again, and some have left the outbox."""

    def sent(self, connection: Any) -> None:
        """Everything that waited is out, and the connection was to be closed then."""

    def gone(self, connection: Any, ended: Ended) -> None:
        """The socket is closed."""
