"""What a reader of a channel gets."""

from __future__ import annotations

from typing import Any, NamedTuple

from plumbline.streaming.core.broker import Member, Position

HISTORY_LOST = "history-lost"
BUFFER_FULL = "buffer-full"


class Message(NamedTuple):
    """Something was published.

    Args:
        channel: Where.
        position: Its place in the channel: give it to `subscribe(since=…)` to go on after it, even in another process.
        data: The value.
    """

    channel: str
    position: Position
    data: Any


class Gap(NamedTuple):
    """Messages are missing here, and will not come: what was built from them must be built anew.

    Args:
        channel: Where.
        since: The last position before the gap; None if it is not known.
        until: The next messages come after this position.
        because: `history-lost`: the gateway's history no longer reaches back; `buffer-full`: this reader was too slow
            and its policy is to drop.
    """

    channel: str
    since: Position | None
    until: Position
    because: str


class Snapshot(NamedTuple):
    """The state that the `snapshot` callback returned; the messages after `position` follow, each once.

    Args:
        channel: Of which channel.
        position: Read before the state was fetched, so nothing falls between the two. The state may be newer already:
            the first messages after it may tell what it holds.
        state: What the callback returned.
    """

    channel: str
    position: Position
    state: Any


class Joined(NamedTuple):
    """A client came into the channel.

    Args:
        channel: Where.
        member: Who.
    """

    channel: str
    member: Member


class Left(NamedTuple):
    """A client left the channel.

    Args:
        channel: Where.
        member: Who.
    """

    channel: str
    member: Member


Event = Message | Gap | Snapshot | Joined | Left


class Past(NamedTuple):
    """What a channel's history holds.

    Args:
        position: The head of the channel.
        messages: Oldest first.
        recovered: They are all there were since the position that was asked about; None if none was.
    """

    position: Position
    messages: tuple[Message, ...]
    recovered: bool | None
