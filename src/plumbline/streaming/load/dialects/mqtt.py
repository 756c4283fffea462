"""MQTT 3.1.1 at QoS 0 over binary WebSocket frames (OASIS standard, sections 2.2, 3 and 6)."""

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
    Subscribed,
)
from plumbline.streaming.load.stamp import read

KEEP_ALIVE_S = 50  # twice the interval of our PINGREQ
_INBOX = "inbox/"
_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9


class Mqtt(Dialect):
    """One topic a channel; the client pings, because the protocol has it so."""

    subprotocol: ClassVar[str | None] = "mqtt"
    greets: ClassVar[bool] = True

    def greeting(self, client: int) -> bytes:
        """Say CONNECT with a clean session."""
        head = _text("MQTT") + bytes((4, 2)) + KEEP_ALIVE_S.to_bytes(2, "big")
        return _packet(0x10, head + _text(f"plumb-load-{client}")) + self._subscribe(1, f"{_INBOX}{client}")

    def subscribe(self, number: int, channel: str, since: Position | None, mode: str, version: int) -> bytes:
        """SUBSCRIBE at QoS 0."""
        del since, mode, version
        return self._subscribe(number + 2, channel)  # packet identifier 0 is forbidden, 1 is the inbox

    def _subscribe(self, identifier: int, topic: str) -> bytes:
        return _packet(0x82, identifier.to_bytes(2, "big") + _text(topic) + b"\0")

    def publish(self, number: int, channel: str, payload: bytes, key: str | None, version: int) -> bytes:
        """PUBLISH at QoS 0."""
        del number, key, version
        return _packet(0x30, _text(channel) + payload)

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Publish to one's own inbox."""
        return self.publish(number, f"{_INBOX}{client}", payload, None, 1)

    def heartbeat(self) -> bytes:
        """PINGREQ."""
        return b"\xc0\0"

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Read as many packets as are whole."""
        events: list[Event] = []
        at = 0
        while (found := _length(payload, at + 1)) is not None:
            size, start = found
            if len(payload) < start + size:
                break
            events += _event(payload[at] >> 4, payload[start : start + size])
            at = start + size
        return events, at


def _event(kind: int, body: bytes) -> list[Event]:
    if kind == _PUBLISH:
        size = int.from_bytes(body[:2], "big")
        stamp = read(body, 2 + size)
        if stamp is None:
            return []
        topic = body[2 : 2 + size].decode("utf-8", "replace")
        return [Answer(stamp) if topic.startswith(_INBOX) else Delivery(topic, None, stamp)]
    if kind == _CONNACK:
        return [Refused(None, f"connack-{body[1]}")] if body[1] else [Ready(1)]
    if kind == _SUBACK:
        number = int.from_bytes(body[:2], "big")
        if body[2] == 0x80:
            return [Refused(None, "suback")]
        return [Subscribed(number - 2, None, None)] if number > 1 else []
    return []


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(first: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes((first,)) + length + body


def _length(payload: bytes, at: int) -> tuple[int, int] | None:
    """Return the remaining length and where the body starts; None while it is not whole."""
    size = 0
    for step in range(4):
        if at + step >= len(payload):
            return None
        byte = payload[at + step]
        size |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            return size, at + step + 1
    raise ValueError("a remaining length has at most four bytes")
