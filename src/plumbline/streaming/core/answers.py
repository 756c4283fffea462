"""What the gateway says, as JSON text. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from plumbline.streaming.core.broker import Entry, Member, Past, Position
from plumbline.streaming.core.commands import Id, RequestError
from plumbline.streaming.core.jsontext import quoted, to_json

VERSION = 2
"""Of the protocol."""


def ok(request: Id, **more: Any) -> bytes:
    """Encode the answer to a request that was carried out."""
    return to_json({"id": request, "ok": True, **more})


def pong(request: Id, data: bytes) -> bytes:
    """Encode the answer to a ping, with the client's own data."""
    return b'{"id":%b,"ok":true,"ping":%b}' % (_id(request), data)


def error(failed: RequestError) -> bytes:
    """Encode the answer to a request that was not."""
    told: dict[str, Any] = {"code": failed.code, "message": failed.message}
    if failed.retry_after_s is not None:
        told["retry_after_s"] = round(failed.retry_after_s, 3)
    return to_json({"id": failed.request, "error": told})


def subscribed(request: Id, channel: str, head: Position, recovered: bool | None, messages: int) -> bytes:
    """Encode the answer to a subscription.

    Args:
        request: The request's id.
        channel: The channel's name.
        head: Where the channel stands. What came up to here follows at once, if it is sent at all; what comes
            after it follows when it comes.
        recovered: Everything missed follows; None if nothing was asked for.
        messages: How many.
    """
    more = {} if recovered is None else {"recovered": recovered, "messages": messages}
    return ok(request, channel=channel, epoch=head.epoch, offset=head.offset, **more)


def published(request: Id, position: Position) -> bytes:
    """Encode the answer to a publication that is stored."""
    return b'{"id":%b,"ok":true,"epoch":%b,"offset":%d}' % (_id(request), quoted(position.epoch), position.offset)


def history(request: Id, past: Past, *, recovered: bool | None) -> bytes:
    """Encode what was published; `recovered` is None if no position was asked for."""
    told = b"" if recovered is None else b',"recovered":%b' % to_json(recovered)
    return b'{"id":%b,"ok":true,"epoch":%b,"offset":%d%b,"messages":[%b]}' % (
        to_json(request),
        to_json(past.position.epoch),
        past.position.offset,
        told,
        b",".join(_entry(entry) for entry in past.entries),
    )


def present(request: Id, members: Iterable[Member], count: int) -> bytes:
    """Encode who is in a channel: the `members` that are named, of `count`."""
    return ok(request, clients=[_member(member) for member in members], count=count)


def message(channel: str, offset: int, data: bytes) -> bytes:
    """Encode a published message as its readers get it; `data` is JSON text."""
    return b'{"channel":%b,"offset":%d,"data":%b}' % (quoted(channel), offset, data)


def joined(channel: str, member: Member) -> bytes:
    """Encode that a client came."""
    return to_json({"channel": channel, "joined": _member(member)})


def left(channel: str, member: Member) -> bytes:
    """Encode that a client went."""
    return to_json({"channel": channel, "left": _member(member)})


def ended(channel: str, code: str, sentence: str, *, again: bool) -> bytes:
    """Encode that one subscription is over; `again`: subscribing anew is of use."""
    return to_json({"channel": channel, "ended": {"code": code, "message": sentence, "again": again}})


def reconnect(after_s: float, within_s: float, because: str) -> bytes:
    """Encode the advice to come back.

    Args:
        after_s: When to connect anew, in seconds from now; spread, so that not all come at once.
        within_s: When this connection is closed at the latest, in seconds from now.
        because: `drain`, `lifetime` or `balance`.
    """
    return to_json({"reconnect": {"after_s": round(after_s, 3), "within_s": round(within_s, 3), "because": because}})


def expiring(in_s: float) -> bytes:
    """Encode that the token's time is nearly over: a fresh one is wanted, with `auth`."""
    return to_json({"expiring": {"in_s": round(in_s, 3)}})


def hello(client: str, heartbeat_s: float, **limits: int) -> bytes:
    """Encode the greeting, for clients that asked for one.

    Args:
        client: The connection's id.
        heartbeat_s: Time between two pings of the gateway.
        limits: What it takes of one client: `max_message_bytes`, `max_batch`, `max_subscriptions`.
    """
    told = {"client": client, "version": VERSION, "heartbeat_s": heartbeat_s, **limits, "resume": True}
    return to_json({"hello": told})


def _id(request: Id) -> bytes:
    return quoted(request) if isinstance(request, str) else b"null" if request is None else b"%d" % request


def _entry(entry: Entry) -> bytes:
    return b'{"offset":%d,"data":%b}' % entry


def _member(member: Member) -> dict[str, Any]:
    return {"client": member.client, "user": member.user, "since": round(member.since, 3)}
