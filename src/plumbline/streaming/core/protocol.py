"""The JSON protocol, version 2, as pure values: what clients may say, and what the gateway answers. No I/O.

A client sends one JSON object per message, with one verb and an optional `id` (whole number or text) that the answer
repeats, or a JSON array of such objects, which are answered one by one and in order:

- `{"id": 1, "subscribe": "c"}` with, if wanted, `"since": {"epoch": …, "offset": …}`, `"mode": "all" | "latest"` and
  `"join": true`;
- `{"id": 2, "unsubscribe": "c"}`;
- `{"id": 3, "publish": "c", "data": …}`, and `"key": …` to make it idempotent;
- `{"id": 4, "history": "c"}` with `since` and `limit`;
- `{"id": 5, "presence": "c"}`;
- `{"id": 6, "auth": "<token>"}`;
- `{"id": 7, "ping": …}`.

Without an `id`, only errors are answered, except that a subscription with `since` always is: the client must learn
whether it recovered.
"""

from __future__ import annotations

from plumbline.streaming.core.answers import (
    VERSION,
    ended,
    error,
    hello,
    history,
    joined,
    left,
    message,
    ok,
    pong,
    present,
    published,
    reconnect,
    subscribed,
)
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
from plumbline.streaming.core.jsontext import encode_data
from plumbline.streaming.core.parsing import (
    CHANNEL_LENGTH,
    ID_LENGTH,
    INTERNAL,
    KEY_LENGTH,
    VERBS,
    check_channel,
    parse,
    parse_all,
)

__all__ = [
    "CHANNEL_LENGTH",
    "ID_LENGTH",
    "INTERNAL",
    "KEY_LENGTH",
    "VERBS",
    "VERSION",
    "Authenticate",
    "Command",
    "History",
    "Id",
    "Mode",
    "Ping",
    "Presence",
    "Publish",
    "RequestError",
    "Subscribe",
    "Unsubscribe",
    "check_channel",
    "encode_data",
    "ended",
    "error",
    "hello",
    "history",
    "joined",
    "left",
    "message",
    "ok",
    "parse",
    "parse_all",
    "pong",
    "present",
    "published",
    "reconnect",
    "subscribed",
]
