"""A nats-server's configuration for one region, as text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class RegionServer:
    """One nats-server of one region.

    Args:
        region: Its name: the JetStream domain.
        store: Folder for JetStream's files.
        listen: `HOST:PORT` for clients: the region's gateways.
        monitor: `HOST:PORT` of the monitoring pages that diagnostics read.
        leaf_listen: `HOST:PORT` at which other regions' servers connect; None: it listens for none.
        leaf_of: `HOST:PORT` of other regions' `leaf_listen`; none: it connects to none.
        sync_always: Flush each message to the disk before it is acknowledged.

    Raises:
        ValueError: A name or an address is none.
    """

    region: str
    store: str
    listen: str = "127.0.0.1:4222"
    monitor: str = "127.0.0.1:8222"
    leaf_listen: str | None = None
    leaf_of: tuple[str, ...] = ()
    sync_always: bool = False

    def __post_init__(self) -> None:
        check_region(self.region)
        for address in (self.listen, self.monitor, *filter(None, [self.leaf_listen]), *self.leaf_of):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"'{address}' is no address; write HOST:PORT, as in 127.0.0.1:4222")
        if '"' in self.store or "\n" in self.store:
            raise ValueError("the folder's name has a quote or a line break")

    def text(self) -> str:
        """Return the configuration file."""
        lines = [
            f"# nats-server of region {self.region}, for plumb gateways",
            f"server_name: {self.region}",
            f"listen: {self.listen}",
            f"http: {self.monitor}",
            "jetstream {",
            f'  store_dir: "{self.store}"',
            f'  domain: "{self.region}"',
        ]
        if self.sync_always:
            lines.append("  sync_interval: always  # an acknowledged message survives a power cut; far fewer a second")
        lines.append("}")
        if self.leaf_listen or self.leaf_of:
            lines += self._leaf()
        return "\n".join(lines) + "\n"

    def _leaf(self) -> list[str]:
        lines = ["leafnodes {"]
        if self.leaf_listen:
            lines.append(f"  listen: {self.leaf_listen}")
        if self.leaf_of:
            urls = ", ".join(f'"nats-leaf://{address}"' for address in self.leaf_of)
            lines += ['  reconnect: "1s"', f"  remotes: [ {{ urls: [{urls}] }} ]"]
        return [*lines, "}"]


def check_region(name: str) -> str:
    """Return a region's name.

    Raises:
        ValueError: It is none: small letters, digits and `-`, at most 32.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no region's name; write small letters, digits and '-', at most 32, as in eu-1")
    return name
