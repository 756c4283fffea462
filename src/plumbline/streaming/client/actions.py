"""What the session wants done: the shell around it does it, and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from plumbline.streaming.client.errors import ClientError
from plumbline.streaming.client.events import Event
from plumbline.streaming.client.track import Track
from plumbline.streaming.core.broker import Position


class Emit(NamedTuple):
    """Give this to the channel's readers."""

    channel: str
    event: Event


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    text: str


@dataclass(frozen=True, slots=True)
class Live:
    """The subscription stands.

    Args:
        channel: Which.
        position: Its messages come after this one.
        recovered: Those that were missed follow; None if there was nothing to miss.
    """

    channel: str
    position: Position
    recovered: bool | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A request was carried out: `told` is the gateway's answer."""

    token: Any
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fail:
    """A request was not carried out, or nobody knows."""

    token: Any
    error: ClientError


@dataclass(frozen=True, slots=True)
class End:
    """A subscription is over and will not come back."""

    channel: str
    error: ClientError


@dataclass(frozen=True, slots=True)
class Full:
    """The gateway permits this connection no more channels; this one needs another connection."""

    track: Track
    held: int


@dataclass(frozen=True, slots=True)
class Advice:
    """The gateway will close this connection: connect anew in `after_s`; it lasts for `within_s` at the longest."""

    after_s: float
    within_s: float
    because: str


@dataclass(frozen=True, slots=True)
class Greeted:
    """The gateway has greeted: it took the token, and commands may be sent.

    Args:
        client: What it calls this connection.
        max_subscriptions: Channels that one connection may read; None if it did not say.
    """

    client: str
    max_subscriptions: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Drop the connection: the other side does not speak the protocol, or not at all."""

    sentence: str


Action = Emit | Send | Live | Answer | Fail | End | Full | Advice | Greeted | Hang
