"""What a dialect must know, and what it tells the connection."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from plumbline.streaming.load.frames import BINARY
from plumbline.streaming.load.stamp import Stamp


class Position(NamedTuple):
    """Where a reader stands in a channel of a server that numbers its messages."""

    epoch: str
    offset: int


class Delivery(NamedTuple):
    """A message came in; `offset` is None where the server does not number its messages."""

    channel: str
    offset: int | None
    stamp: Stamp


class Subscribed(NamedTuple):
    """A subscription stands; messages after `position` follow. `recovered` is None if that was not asked."""

    number: int
    position: Position | None
    recovered: bool | None


class Stored(NamedTuple):
    """The server took the publisher's message `number`."""

    number: int
    position: Position | None


class Answer(NamedTuple):
    """The answer to a request."""

    stamp: Stamp


class Ready(NamedTuple):
    """The server has greeted: now it takes subscriptions. `version` is the dialect's own."""

    version: int


class Refused(NamedTuple):
    """The server refused something, with its own word for why; `number` of the request if it told."""

    number: int | None
    code: str


class Ended(NamedTuple):
    """The server ended one subscription."""

    channel: str
    code: str


class Return(NamedTuple):
    """The server asks the client to leave and come back after so many seconds."""

    after_s: float


class Say(NamedTuple):
    """Send this to the server at once (the answer to a heartbeat of the dialect)."""

    payload: bytes


Event = Delivery | Subscribed | Stored | Answer | Ready | Refused | Ended | Return | Say


class Dialect:
    """A codec for one connection's messages; it holds no state of a connection.

    Attributes:
        subprotocol: What the handshake asks for.
        opcode: Frames of this kind carry the dialect.
        numbered: Readers learn an offset with every message and where they stand when they subscribe.
        acknowledges: The publisher learns that its message was taken.
        everybody: There is one channel, and whoever is connected reads it.
        greets: The server speaks first, so that subscriptions wait for `Ready`.
        subscribes: There are channels, or one that everybody reads; False for echo.
    """

    subprotocol: ClassVar[str | None] = None
    opcode: ClassVar[int] = BINARY
    numbered: ClassVar[bool] = False
    acknowledges: ClassVar[bool] = False
    everybody: ClassVar[bool] = False
    greets: ClassVar[bool] = False
    subscribes: ClassVar[bool] = True

    def greeting(self, client: int) -> bytes:
        """Return the first message to the server; empty for none."""
        raise NotImplementedError

    def subscribe(self, number: int, channel: str, since: Position | None, mode: str, version: int) -> bytes:
        """Return the message that subscribes, and recovers from `since` where the server can."""
        raise NotImplementedError

    def publish(self, number: int, channel: str, payload: bytes, key: str | None, version: int) -> bytes:
        """Return the message that publishes a stamped payload."""
        raise NotImplementedError

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Return a message whose answer carries the same payload back to this connection alone."""
        raise NotImplementedError

    def heartbeat(self) -> bytes:
        """Return what this client must say now and then by itself; empty if the server asks for it."""
        return b""

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Return what a payload says, and how many of its bytes were whole; the rest comes again, in front of more."""
        raise NotImplementedError
