"""From a client's text to commands: everything is checked here, and what is wrong is said in a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import (
    Authenticate,
    Command,
    History,
    Id,
    Mode,
    Ping,
    Presence,
    Publish,
    RequestError,
    Subscribe,
    Unsubscribe,
)
from plumbline.streaming.core.jsontext import encode_read, read_json

CHANNEL_LENGTH = 200  # characters
ID_LENGTH = 64  # characters
KEY_LENGTH = 128  # characters
TRACE_LENGTH = 128  # characters
EPOCH_LENGTH = 64  # characters
MAX_OFFSET = (1 << 63) - 1
INTERNAL = "$"
"""Channels whose name begins with this are the gateway's own."""
_CHANNEL = re.compile(rf"[^\s\x00-\x1f\x7f\ud800-\udfff]{{1,{CHANNEL_LENGTH}}}")


def parse(text: str) -> Command:
    """Read one request.

    Raises:
        RequestError: It is no JSON, no object, or not one of the commands.
    """
    asked = _json(text)
    if not isinstance(asked, dict):
        raise RequestError("malformed", "the message must be a JSON object")
    return _command(asked)


def parse_all(text: str, max_batch: int) -> list[Command | RequestError]:
    """Read one request, or a JSON array of them; what is wrong with one is answered in its place.

    Args:
        text: A whole message.
        max_batch: Requests that one message may hold.

    Raises:
        RequestError: The message as a whole cannot be read, or holds too many requests; none was carried out.
    """
    asked = _json(text)
    if isinstance(asked, dict):
        return [_command(asked)]
    if not isinstance(asked, list):
        raise RequestError("malformed", "the message must be a JSON object, or an array of them")
    if not 1 <= len(asked) <= max_batch:
        raise RequestError("malformed", f"an array has 1 to {max_batch} requests (max_batch), not {len(asked)}")
    return [_one(item) for item in asked]


def requests_in(text: str) -> list[Id]:
    """Return the ids of the requests that a message holds; one None for a message that cannot be read."""
    try:
        asked = _json(text)
    except RequestError:
        return [None]
    items = asked if isinstance(asked, list) and asked else [asked]
    return [_id_or_none(item.get("id")) if isinstance(item, dict) else None for item in items]


def check_channel(name: Any) -> str:
    """Return the channel's name.

    Raises:
        ValueError: It is none: 1 to 200 characters, no white space or control characters, and no `$` in front.
    """
    if not isinstance(name, str) or not _CHANNEL.fullmatch(name):
        raise ValueError(f"a channel's name is text of 1 to {CHANNEL_LENGTH} characters without white space")
    if name.startswith(INTERNAL):
        raise ValueError(f"channels whose name begins with {INTERNAL} are the gateway's own")
    return name


def _one(asked: object) -> Command | RequestError:
    if not isinstance(asked, dict):
        return RequestError("malformed", "each request of an array must be a JSON object")
    try:
        return _command(asked)
    except RequestError as failed:
        return failed


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except RecursionError:
        raise RequestError("malformed", "the message is nested too deeply") from None
    except ValueError as failed:
        raise RequestError("malformed", f"the message is no JSON: {failed}") from None


def _command(asked: dict[str, Any]) -> Command:
    request = _id(asked.pop("id", None))
    verb = _verb(asked, request)
    value = asked.pop(verb)
    if unknown := asked.keys() - _FIELDS[verb]:
        raise RequestError("malformed", _stranger(min(unknown), verb), request)
    try:
        return _MAKE[verb](request, value, asked)
    except ValueError as failed:
        raise RequestError("malformed", str(failed), request) from None


def _stranger(key: str, verb: str) -> str:
    near = get_close_matches(key[:ID_LENGTH], _FIELDS[verb], n=1)
    return f"'{key[:ID_LENGTH]}' does not belong to {verb}" + (f"; did you mean '{near[0]}'?" if near else "")


def _id(value: Any) -> Id:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63):
        return value
    if isinstance(value, str) and len(value) <= ID_LENGTH:
        return value
    raise RequestError("malformed", f"id must be a whole number, or text of at most {ID_LENGTH} characters")


def _id_or_none(value: Any) -> Id:
    try:
        return _id(value)
    except RequestError:
        return None


def _verb(asked: Mapping[str, Any], request: Id) -> str:
    verbs = [verb for verb in VERBS if verb in asked]
    if len(verbs) == 1:
        return verbs[0]
    if verbs:
        raise RequestError("malformed", f"one request has one command, not {' and '.join(verbs)}", request)
    near = [match for key in asked for match in get_close_matches(key[:ID_LENGTH], VERBS, n=1)]
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RequestError("unknown-command", f"a message must have one of {', '.join(VERBS)}{hint}", request)


def _channel(value: Any, request: Id) -> str:
    try:
        return check_channel(value)
    except ValueError as failed:
        raise RequestError("bad-channel", str(failed), request) from None


def _position(value: Any) -> Position | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"epoch", "offset"}:
        raise ValueError('since must be {"epoch": …, "offset": …}, as the gateway told them')
    epoch, offset = value["epoch"], value["offset"]
    if not isinstance(epoch, str) or not 1 <= len(epoch) <= EPOCH_LENGTH:
        raise ValueError(f"the epoch in since must be text of 1 to {EPOCH_LENGTH} characters")
    if isinstance(offset, bool) or not isinstance(offset, int) or not 0 <= offset <= MAX_OFFSET:
        raise ValueError("the offset in since must be a whole number from 0")
    return Position(epoch, offset)


def _mode(value: Any) -> Mode | None:
    if value is None or (isinstance(value, str) and value in tuple(Mode)):
        return None if value is None else Mode(value)
    raise ValueError(f"mode must be one of {', '.join(Mode)}")


def _yes(name: str, asked: dict[str, Any]) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")  # noqa: TRY004 - all that clients say wrongly is one kind
    return value


def _limit(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_OFFSET:
        raise ValueError("limit must be a whole number from 1")
    return value


def _key(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and 1 <= len(value) <= KEY_LENGTH and value.isprintable()):
        return value
    raise ValueError(f"key must be text of 1 to {KEY_LENGTH} printable characters")


def _trace(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= TRACE_LENGTH):
        return value  # one that says nothing is left alone, as the standard wants it
    raise ValueError(f"trace must be a traceparent, text of at most {TRACE_LENGTH} characters")


def _data(value: Any) -> bytes:
    try:
        return encode_read(value)
    except ValueError as failed:  # 1e999 parses as infinity
        raise ValueError(f"data cannot be sent on: {failed}") from None


def _subscribe(request: Id, value: Any, asked: dict[str, Any]) -> Command:
    channel = _channel(value, request)
    since, mode = _position(asked.get("since")), _mode(asked.get("mode"))
    return Subscribe(request, channel, since, mode, _yes("join", asked), _yes("trace", asked))


def _publish(request: Id, value: Any, asked: dict[str, Any]) -> Command:
    channel = _channel(value, request)
    return Publish(request, channel, _data(asked.get("data")), _key(asked.get("key")), _trace(asked.get("trace")))


def _history(request: Id, value: Any, asked: dict[str, Any]) -> Command:
    channel = _channel(value, request)
    return History(request, channel, _position(asked.get("since")), _limit(asked.get("limit")))


def _authenticate(request: Id, value: Any, _: dict[str, Any]) -> Command:
    if not isinstance(value, str) or not value.isascii() or not value:
        raise ValueError("auth takes a token as text")
    return Authenticate(request, value)


_MAKE: dict[str, Callable[[Id, Any, dict[str, Any]], Command]] = {
    "subscribe": _subscribe,
    "unsubscribe": lambda request, value, _: Unsubscribe(request, _channel(value, request)),
    "publish": _publish,
    "history": _history,
    "presence": lambda request, value, _: Presence(request, _channel(value, request)),
    "auth": _authenticate,
    "ping": lambda request, value, _: Ping(request, _data(value)),
}
_FIELDS: dict[str, frozenset[str]] = {verb: frozenset() for verb in _MAKE} | {
    "subscribe": frozenset({"since", "mode", "join", "trace"}),
    "publish": frozenset({"data", "key", "trace"}),
    "history": frozenset({"since", "limit"}),
}
VERBS = tuple(_MAKE)
