"""What the gateway asks of whoever keeps the channels' messages: this process, the machine's supervisor, or a cluster.

All answers come by callback, at once or later, so that the in-process broker costs no task and no turn of the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Position:
    """Where a channel stands.

    Args:
        epoch: Changes when the channel's offsets start again, so that an old offset is never mistaken for a new one.
        offset: Number of the last message in this epoch; 0 before the first.
    """

    epoch: str
    offset: int


class Entry(NamedTuple):
    """One message of a channel.

    Args:
        offset: Its number in the channel's epoch, from 1.
        data: JSON text.
    """

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Past:
    """What a channel's history holds.

    Args:
        position: The head of the channel: its newest message is the last entry, unless a limit cut them off.
        entries: Messages after the asked position, oldest first, without a hole.
        recovered: The entries reach from the asked position to the head, all of them; if a part was asked for, the rest
            can be had too. Else `entries` is empty.
    """

    position: Position
    entries: tuple[Entry, ...]
    recovered: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A client that is present in a channel.

    Args:
        client: Id of the connection, unique in the cluster.
        user: Whose it is, if it said so with a token.
        since: When it came, in seconds since 1970.
    """

    client: str
    user: str | None
    since: float


class BrokerError(Exception):
    """The broker did not do what was asked; nothing was stored as far as it knows.

    Args:
        code: Stable word: `unavailable` (try again), `too-large`, `refused`.
        message: One sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class Receiver(Protocol):
    """Whom a broker tells."""

    def arrived(self, channel: str, position: Position, data: bytes) -> None:
        """A message came in of a channel that is attached; in order of offsets, each once."""

    def interrupted(self, channel: str | None, because: str) -> None:
        """Continuity of this channel (None: of all) is lost until it is attached anew; positions must be checked."""


class Broker(Protocol):
    """Keeps channels: their order, their bounded history, and who is present.

    After `attach` has answered with a position, every message after that position arrives, in order and once, until
    `detach` or `Receiver.interrupted`.

    A broker that has settings of its own may have `configure(settings)` too: it is called after each live change. One
    of several regions may have `gone_s()`: for how many seconds nothing was to be had here that another region may
    have; None if it is here.
    """

    async def start(self, receiver: Receiver) -> None:
        """Begin to work.

        Raises:
            BrokerError: It cannot be reached.
        """

    async def stop(self) -> None:
        """Give everything back; unanswered requests are answered `unavailable`."""

    def attach(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Send me what is published in this channel."""

    def detach(self, channel: str) -> None:
        """Send me no more of it."""

    def publish(
        self, channel: str, data: bytes, key: str | None, done: Callable[[Position | BrokerError], None]
    ) -> None:
        """Store JSON text as the channel's next message, and send it to all who are attached.

        Text that is `tracing.Traced` arrives, and stands in the past, with its trace. A `key` makes it idempotent:
        within the broker's window the same key in the same channel is stored once, and answered with the first one's
        position.
        """

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Return the messages after `since`, or the newest `limit` ones if it is None.

        More than `limit` messages after `since` are answered `recovered=False`, or with `part` by the first `limit` of
        them. A strange epoch and a position that history no longer reaches are answered `recovered=False` always.
        """

    def head(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Return where the channel stands, as the one who keeps it knows."""

    def join(self, channel: str, member: Member) -> None:
        """Note that this client is present. It must be repeated: a node that dies takes its members with it."""

    def leave(self, channel: str, client: str) -> None:
        """Note that it is not."""

    def members(self, channel: str, done: Callable[[tuple[Member, ...] | BrokerError], None]) -> None:
        """Return who is present, longest first."""
