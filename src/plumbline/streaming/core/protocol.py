"""The JSON protocol as pure values: what clients may say, and what the gateway answers. No I/O.

A client sends one JSON object per message, with one verb and an optional `id` (whole number or text) that the answer
repeats: `{"id": 1, "subscribe": "c"}`, `{"id": 2, "unsubscribe": "c"}`, `{"id": 3, "publish": "c", "data": …}`,
`{"id": 4, "ping": …}`. Without an `id`, only errors are answered.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

Id = int | str | None
CHANNEL_LENGTH = 200  # characters
ID_LENGTH = 64  # characters
_CHANNEL = re.compile(rf"[^\s\x00-\x1f\x7f\ud800-\udfff]{{1,{CHANNEL_LENGTH}}}")
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_escaped = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


class RequestError(Exception):
    """A request cannot be understood or carried out; the connection stays open.

    Args:
        code: Stable word: `malformed`, `unknown-command`, `bad-channel`, `not-subscribed`, `too-many-subscriptions`.
        message: One sentence for people.
        request: Id of the request, if it had one.
    """

    def __init__(self, code: str, message: str, request: Id = None) -> None:
        self.code = code
        self.message = message
        self.request = request
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send me what is published in this channel."""

    request: Id
    channel: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Send me no more of this channel."""

    request: Id
    channel: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Send this to all readers of the channel; `data` is JSON text, encoded once for all of them."""

    request: Id
    channel: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer me; `data` is JSON text that the answer repeats."""

    request: Id
    data: bytes


Command = Subscribe | Unsubscribe | Publish | Ping
VERBS = ("subscribe", "unsubscribe", "publish", "ping")


def parse(text: str) -> Command:
    """Read one request.

    Raises:
        RequestError: It is no JSON, no object, or not one of the commands.
    """
    asked = _object(text)
    request = _id(asked.pop("id", None))
    verb = _verb(asked, request)
    value = asked.pop(verb)
    data = asked.pop("data", None) if verb == "publish" else None
    if asked:
        raise RequestError("malformed", f"'{next(iter(asked))}' does not belong to {verb}", request)
    if verb == "ping":
        return Ping(request, _data(value, request))
    channel = _channel(value, request)
    if verb == "publish":
        return Publish(request, channel, _data(data, request))
    return Subscribe(request, channel) if verb == "subscribe" else Unsubscribe(request, channel)


def encode_data(data: Any) -> bytes:
    """Return JSON text of a value.

    Raises:
        ValueError: It has no JSON form (NaN, an object, too deep).
    """
    try:
        return _json(data)
    except TypeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_channel(name: Any) -> str:
    """Return the channel's name.

    Raises:
        ValueError: It is none: 1 to 200 characters, no white space or control characters.
    """
    if not isinstance(name, str) or not _CHANNEL.fullmatch(name):
        raise ValueError(f"a channel's name is text of 1 to {CHANNEL_LENGTH} characters without white space")
    return name


def ok(request: Id, **more: Any) -> bytes:
    """Encode the answer to a request that was carried out."""
    return _json({"id": request, "ok": True, **more})


def pong(request: Id, data: bytes) -> bytes:
    """Encode the answer to a ping, with the client's own data."""
    return b'{"id":%b,"ok":true,"ping":%b}' % (_json(request), data)


def error(failed: RequestError) -> bytes:
    """Encode the answer to a request that was not."""
    return _json({"id": failed.request, "error": {"code": failed.code, "message": failed.message}})


def message(channel: str, offset: int, data: bytes) -> bytes:
    """Encode a published message as its readers get it; `data` is JSON text."""
    return b'{"channel":%b,"offset":%d,"data":%b}' % (_json(channel), offset, data)


def _json(value: Any) -> bytes:
    try:
        return _compact(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can say it only as an escape
        return _escaped(value).encode()


def _object(text: str) -> dict[str, Any]:
    try:
        asked = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise RequestError("malformed", "the message is nested too deeply") from None
    except ValueError as failed:
        raise RequestError("malformed", f"the message is no JSON: {failed}") from None
    if not isinstance(asked, dict):
        raise RequestError("malformed", "the message must be a JSON object")
    return asked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _id(value: Any) -> Id:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63):
        return value
    if isinstance(value, str) and len(value) <= ID_LENGTH:
        return value
    raise RequestError("malformed", f"id must be a whole number, or text of at most {ID_LENGTH} characters")


def _verb(asked: dict[str, Any], request: Id) -> str:
    verbs = [verb for verb in VERBS if verb in asked]
    if len(verbs) == 1:
        return verbs[0]
    if verbs:
        raise RequestError("malformed", f"one message has one command, not {' and '.join(verbs)}", request)
    near = [match for key in asked for match in get_close_matches(key[:ID_LENGTH], VERBS, n=1)]
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RequestError("unknown-command", f"a message must have one of {', '.join(VERBS)}{hint}", request)


def _channel(value: Any, request: Id) -> str:
    try:
        return check_channel(value)
    except ValueError as failed:
        raise RequestError("bad-channel", str(failed), request) from None


def _data(value: Any, request: Id) -> bytes:
    try:
        return encode_data(value)
    except ValueError as failed:  # 1e999 parses as infinity
        raise RequestError("malformed", f"data cannot be sent on: {failed}", request) from None
