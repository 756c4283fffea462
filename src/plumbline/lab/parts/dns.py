"""Name resolution of the lab's own: a name server on port 53 of its network namespace, and its own resolv.conf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plumbline.lab.parts.part import Part
from plumbline.lab.parts.server import Server, ServerPart

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

_SYSTEM = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Dns(Part):
    """A name server that knows few names, and can be told to be slow, to lose questions or to refuse.

    `tell`: `delay_s` (in seconds), `lose` (share of questions that get no answer, 0 to 1), `names`.

    Args:
        names: Name → IPv4 address; all others do not exist.
        options: Further lines of resolv.conf, as `options timeout:1 attempts:2`.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    options: str = ""
    name: str = "dns"
    needs: ClassVar[frozenset[str]] = frozenset({"linux", "netns", "mountns"})

    def build(self, host: Builder) -> DnsPart:
        """Return it."""
        return DnsPart(host, self)


class DnsPart(ServerPart):
    """The name server in a lab."""

    def __init__(self, host: Builder, dns: Dns) -> None:
        super().__init__(host, Server(dns.name, "dns", config={"names": dict(dns.names), "delay_s": 0.0, "lose": 0.0}))
        self.port = 53
        self.resolv = host.folder / "resolv.conf"
        self._options = dns.options

    def start(self) -> None:
        """Start it, and let the lab's processes ask it."""
        super().start()
        self.resolv.write_text(f"nameserver 127.0.0.1\n{self._options}\n")
        self._host.link.ask("mount", source=str(self.resolv), target=str(_SYSTEM.resolve()), type="bind")

    def environment(self) -> dict[str, str]:
        """The file that stands for /etc/resolv.conf; edit it in place: it is the file that is mounted, not its name."""
        return super().environment() | {"RESOLV_CONF": str(self.resolv)}
