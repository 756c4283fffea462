"""What one channel's stream needs of the hub around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from plumbline.streaming.core.broker import BrokerError, Past, Position


class Outside(Protocol):
    """What a stream needs of the hub."""

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Ask the broker."""

    def deliver(self, stream: Any, position: Position, data: bytes) -> None:
        """Send a message to all readers."""

    def end(self, stream: Any, because: str) -> None:
        """End the subscriptions of all readers: messages were lost to them."""

    def behind(self, stream: Any, head: Position) -> None:
        """Messages up to `head` should be here soon; look whether they come."""

    def fill_later(self, stream: Any) -> None:
        """Call `fill` a little later."""
