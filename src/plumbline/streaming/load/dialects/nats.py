"""The NATS client protocol over binary WebSocket frames (docs.nats.io, Client Protocol). Frames may cut it anywhere."""

from __future__ import annotations

from typing import ClassVar

from plumbline.streaming.load.dialects.base import (
    Answer,
    Delivery,
    Dialect,
    Event,
    Position,
    Ready,
    Refused,
    Say,
    Subscribed,
)
from plumbline.streaming.load.stamp import read

_CRLF = b"\r\n"
_INBOX = "_INBOX."
_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"lang":"plumb-load","version":"1","protocol":1,"echo":true}\r\n'


class Nats(Dialect):
    """Core NATS: no offsets, no acknowledgements, one subject a channel."""

    greets: ClassVar[bool] = True

    def greeting(self, client: int) -> bytes:
        """Say CONNECT; each client reads an inbox of its own, for requests."""
        return _CONNECT + b"SUB %b%d 0\r\n" % (_INBOX.encode(), client)

    def subscribe(self, number: int, channel: str, since: Position | None, mode: str, version: int) -> bytes:
        """SUB, and a PING whose PONG says that it stands."""
        del since, mode, version
        return b"SUB %b %d\r\nPING\r\n" % (channel.encode(), number + 1)

    def publish(self, number: int, channel: str, payload: bytes, key: str | None, version: int) -> bytes:
        """PUB."""
        del number, key, version
        return b"PUB %b %d\r\n%b\r\n" % (channel.encode(), len(payload), payload)

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Publish to one's own inbox."""
        return self.publish(number, f"{_INBOX}{client}", payload, None, 1)

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Read as many operations as are whole."""
        events: list[Event] = []
        at = 0
        while (end := payload.find(_CRLF, at)) >= 0:
            line = payload[at:end]
            if line.startswith(b"MSG "):
                subject, *_, size = line[4:].split(b" ")
                start = end + 2
                stop = start + int(size)
                if len(payload) < stop + 2:
                    break
                _append(events, subject, payload[start:stop])
                at = stop + 2
                continue
            at = end + 2
            events += _operation(line)
        return events, at


def _append(events: list[Event], subject: bytes, body: bytes) -> None:
    stamp = read(body)
    if stamp is not None:
        name = subject.decode()
        events.append(Answer(stamp) if name.startswith(_INBOX) else Delivery(name, None, stamp))


def _operation(line: bytes) -> list[Event]:
    word = line.split(b" ", 1)[0].upper()
    if word == b"PING":
        return [Say(b"PONG\r\n")]
    if word == b"PONG":  # subscriptions are answered in order
        return [Subscribed(-1, None, None)]
    if word == b"INFO":
        return [Ready(1)]
    if word == b"-ERR":
        return [Refused(None, line[5:].decode("utf-8", "replace").strip("' ")[:60])]
    return []
