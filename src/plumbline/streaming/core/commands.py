"""What a client may ask, as values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from plumbline.streaming.core.broker import Position

Id = int | str | None


class Mode(StrEnum):
    """What a subscription is about."""

    ALL = "all"  # every message counts
    LATEST = "latest"  # only the newest one does


class RequestError(Exception):
    """A request cannot be understood or carried out; the connection stays open.

    Args:
        code: Stable word, one of the reference page's table.
        message: One sentence for people.
        request: Id of the request, if it had one.
        retry_after_s: When to ask again, in seconds; None if asking again is of no use, or at once.
    """

    def __init__(self, code: str, message: str, request: Id = None, retry_after_s: float | None = None) -> None:
        self.code = code
        self.message = message
        self.request = request
        self.retry_after_s = retry_after_s
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send me what is published in this channel.

    Args:
        request: The request's id.
        channel: The channel's name.
        since: The last message I know; send me first what came after it.
        mode: None: as the channel's rule says.
        join: Announce me to the others, and tell me who comes and goes.
        trace: Tell me with each message the trace that it was published in, if there is one.
    """

    request: Id
    channel: str
    since: Position | None = None
    mode: Mode | None = None
    join: bool = False
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Send me no more of this channel."""

    request: Id
    channel: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Send this to all readers of the channel.

    Args:
        request: The request's id.
        channel: The channel's name.
        data: JSON text, encoded once for all of them.
        key: The same key twice is one message.
        trace: The W3C `traceparent` that the publisher belongs to.
    """

    request: Id
    channel: str
    data: bytes
    key: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Tell me what was published.

    Args:
        request: The request's id.
        channel: The channel's name.
        since: Messages after this one; None: the newest ones.
        limit: Messages at most; None: as many as the gateway gives.
    """

    request: Id
    channel: str
    since: Position | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Tell me who is in this channel."""

    request: Id
    channel: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Here is my token, the first one or a fresh one."""

    request: Id
    token: str = field(repr=False)  # it must not reach a log


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer me; `data` is JSON text that the answer repeats."""

    request: Id
    data: bytes


Command = Subscribe | Unsubscribe | Publish | History | Presence | Authenticate | Ping
