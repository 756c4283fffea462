"""A source of time that can be wrong: NTP over UDP, and the Date header of HTTP. No clock of the machine is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.lab.parts.part import Part
from plumbline.lab.parts.server import Server, ServerPart

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Clock(Part):
    """Says what time it is, `offset_s` seconds off; `tell(offset_s=…)` changes it.

    From where the lab's processes stand, a source that is ahead is the same as a machine that is behind: who takes the
    source for right sees its own clock wrong.

    Args:
        offset_s: How far ahead of the machine's clock, in seconds.
    """

    offset_s: float = 0.0
    name: str = "clock"

    def build(self, host: Builder) -> ClockPart:
        """Return it."""
        return ClockPart(host, Server(self.name, "clock", config={"offset_s": self.offset_s}))


class ClockPart(ServerPart):
    """The source of time in a lab."""

    def environment(self) -> dict[str, str]:
        """Its addresses: `host:port` for NTP, a URL for the Date header."""
        word = self.name.upper().replace("-", "_")
        return super().environment() | {f"{word}_NTP": f"127.0.0.1:{self.port}"}
