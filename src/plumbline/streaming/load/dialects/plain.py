"""Servers without a protocol: one sends every message to all who are connected, the other back to its sender."""

from __future__ import annotations

from typing import ClassVar

from plumbline.streaming.load.dialects.base import Answer, Delivery, Dialect, Event, Position
from plumbline.streaming.load.frames import TEXT
from plumbline.streaming.load.stamp import read

EVERYBODY = "all"


class Broadcast(Dialect):
    """Whatever a client says goes to all clients, the sender too."""

    opcode: ClassVar[int] = TEXT
    everybody: ClassVar[bool] = True

    def greeting(self, client: int) -> bytes:
        """Say nothing."""
        del client
        return b""

    def subscribe(self, number: int, channel: str, since: Position | None, mode: str, version: int) -> bytes:
        """Say nothing: whoever is connected reads."""
        del number, channel, since, mode, version
        return b""

    def publish(self, number: int, channel: str, payload: bytes, key: str | None, version: int) -> bytes:
        """Send the payload as it is."""
        del number, channel, key, version
        return payload

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Refuse: nothing here answers one client alone."""
        raise NotImplementedError("a broadcast server answers no requests")

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Read one message."""
        stamp = read(payload)
        return ([Delivery(EVERYBODY, None, stamp)] if stamp is not None else []), len(payload)


class Echo(Broadcast):
    """Whatever a client says comes back to it: requests only."""

    everybody: ClassVar[bool] = False
    subscribes: ClassVar[bool] = False

    def request(self, number: int, client: int, payload: bytes) -> bytes:
        """Send the payload as it is."""
        del number, client
        return payload

    def decode(self, payload: bytes) -> tuple[list[Event], int]:
        """Read one message."""
        stamp = read(payload)
        return ([Answer(stamp)] if stamp is not None else []), len(payload)
