"""What the generator can speak: one small codec a server. All of them are pure: bytes in, events out."""

from __future__ import annotations

from plumbline.streaming.load.dialects.base import Dialect
from plumbline.streaming.load.dialects.mqtt import Mqtt
from plumbline.streaming.load.dialects.nats import Nats
from plumbline.streaming.load.dialects.plain import Broadcast, Echo
from plumbline.streaming.load.dialects.plumbline import Plumbline

DIALECTS: dict[str, type[Dialect]] = {
    "plumbline": Plumbline,
    "nats": Nats,
    "mqtt": Mqtt,
    "broadcast": Broadcast,
    "echo": Echo,
}
"""By name, as scenarios and the command line name them."""

__all__ = ["DIALECTS", "Dialect"]
