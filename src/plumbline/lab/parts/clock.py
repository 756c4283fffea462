"""A source of time that can be wrong: NTP over UDP, and the Date header of HTTP. No clock of the machine is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
        asked_by: How diagnostics ask it: `ntp`, or `http` for one that is no time server, as an issuer of tokens.
    """

    offset_s: float = 0.0
    name: str = "clock"
    asked_by: Literal["ntp", "http"] = "ntp"

    def build(self, host: Builder) -> ClockPart:
        """Return it."""
        return ClockPart(host, self)


class ClockPart(ServerPart):
    """The source of time in a lab."""

    def __init__(self, host: Builder, clock: Clock) -> None:
        super().__init__(host, Server(clock.name, "clock", config={"offset_s": clock.offset_s}))
        self._scheme = clock.asked_by

    @property
    def address(self) -> str:
        """How it is named as a clock of a target."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Its addresses: `host:port` for NTP, a URL for the Date header."""
        word = self.name.upper().replace("-", "_")
        return super().environment() | {f"{word}_NTP": f"127.0.0.1:{self.port}"}
