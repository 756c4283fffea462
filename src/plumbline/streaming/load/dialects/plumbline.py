"""Protocol 2 of the gateway, JSON over text frames; a gateway that does not greet is spoken to in version 1."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from plumbline.streaming.load.dialects.base import (
    Answer,
    Delivery,
    Dialect,
    Ended,
    Event,
    Position,
    Ready,
    Refused,
    Return,
    Stored,
    Subscribed,
)
from plumbline.streaming.load.frames import TEXT
from plumbline.streaming.load.stamp import read

_HEAD = b'{"channel":"'
_OFFSET = b'","offset":'


class Plumbline(Dialect):
    """Requests are told apart by the kind of their id: `s1` subscribes, `p7` publishes, `r3` asks."""

    subprotocol: ClassVar[str | None] = "plumbline.v2"
    opcode: ClassVar[int] = TEXT
    numbered: ClassVar[bool] = True
    acknowledges: ClassVar[bool] = True

    def greeting(self, client: int) -> bytes:
        """Say nothing: the first request may go at once."""
        del client
        return b""

    def subscribe(self, number: int, channel: str, since: Position | None, mode: str, version: int) -> bytes:
        """Subscribe; recovery and modes need version 2."""
        asked: dict[str, Any] = {"id": f"s{number}", "subscribe": channel}
        if version >= 2 and since is not None:
            asked["since"] = since._asdict()
        if version >= 2 and mode != "all":
            asked["mode"] = mode
        return json.dumps(asked).encode()

    def publish(self, number: int, channel: str, payload: bytes, key: str | None, version: int) -> bytes:
        """Publish a JSON string; the key makes it idempotent where the server knows version 2."""
        more = b',"key":"%b"' % key.encode() if key and version >= 2 else b""
        return b'{"id":"p%d","publish":"%b","data":"%b"%b}' % (number, channel.encode(), payload, more)

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Ask for a pong that repeats the payload."""
        del client
        return b'{"id":"r%d","ping":"%b"}' % (number, payload)

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Read one message; the usual one without a JSON parser."""
        if payload.startswith(_HEAD):
            quote = payload.find(b'"', len(_HEAD))
            comma = payload.find(b",", quote + len(_OFFSET))
            if payload.startswith(_OFFSET, quote) and (stamp := read(payload, comma)) is not None:
                channel = payload[len(_HEAD) : quote].decode()
                return [Delivery(channel, int(payload[quote + len(_OFFSET) : comma]), stamp)], len(payload)
        try:
            said = json.loads(payload)
        except ValueError:
            return [Refused(None, "no-json")], len(payload)
        events = [_event(one) for one in (said if isinstance(said, list) else [said])]
        return [event for event in events if event is not None], len(payload)


def _event(said: dict[str, Any]) -> Event | None:
    if "channel" in said and "id" not in said:
        return _of_channel(said)
    if "hello" in said:
        return Ready(int(said["hello"].get("version", 1)))
    if "reconnect" in said:
        return Return(float(said["reconnect"].get("after_s", 0.0)))
    request = str(said.get("id"))
    number = int(request[1:]) if request[1:].isdecimal() else None
    if "error" in said:
        return Refused(number if request[0] == "p" else None, str(said["error"].get("code")))
    return _answer(request[0], number, said) if number is not None else None


def _of_channel(said: dict[str, Any]) -> Event | None:
    channel = str(said["channel"])
    if "ended" in said:
        return Ended(channel, str(said["ended"].get("code")))
    stamp = read(json.dumps(said.get("data")).encode())
    return Delivery(channel, said.get("offset"), stamp) if stamp is not None else None  # joined and left need no count


def _answer(kind: str, number: int, said: dict[str, Any]) -> Event | None:
    if kind == "r":
        stamp = read(str(said.get("ping")).encode())
        return Answer(stamp) if stamp is not None else None
    position = Position(str(said.get("epoch", "")), int(said["offset"])) if "offset" in said else None
    if kind == "s":
        return Subscribed(number, position, said.get("recovered"))
    return Stored(number, position)
