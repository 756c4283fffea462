"""Every setting of the gateway: typed, bounded, documented, in this one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from plumbline.streaming.core.edge_settings import EdgeSettings
from plumbline.streaming.core.rules import NO_RULES, PREFIX, Resolved, Rules, split
from plumbline.streaming.core.setting_kinds import (
    Kind,
    Overflow,
    Plain,
    SettingError,
    parsed,
    plain,
    setting,
    unknown,
)

__all__ = ["Kind", "Overflow", "SettingError", "Settings", "kinds", "rules_table", "settings_table"]


@dataclass(frozen=True, slots=True)
class Settings(EdgeSettings):
    """The gateway's settings; immutable, so that a change is a new object that was checked as a whole.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    listen_backlog: int = setting(
        4096,
        "{connection}",
        1,
        65535,
        "Length of the kernel's queue of connections that wait to be accepted. The kernel takes the smaller of this "
        "and `net.core.somaxconn`. A change listens again on the live socket; nothing is closed.",
    )
    accept_batch: int = setting(
        64,
        "{connection}",
        1,
        4096,
        "Connections accepted in one turn of the event loop, before it serves those that exist; see `max_arrivals`.",
    )
    max_connections: int = setting(
        20000,
        "{connection}",
        1,
        1_000_000,
        "Connections at one time, WebSockets and event streams together; one more is answered 503 with `Retry-After`.",
    )
    max_subscriptions: int = setting(
        128, "{subscription}", 1, 100_000, "Channels that one connection may subscribe to."
    )
    max_channels: int = setting(
        100_000,
        "{channel}",
        1,
        10_000_000,
        "Channels whose offset is remembered. Beyond it the channel that has had no reader for longest is forgotten, "
        "and starts again under a new epoch.",
    )
    max_message_bytes: int = setting(
        65536,
        "By",
        64,
        16 << 20,
        "Size of one message from a client; a larger one closes the connection with 1009. A change holds at once.",
    )
    queue_max_bytes: int = setting(
        1 << 20, "By", 1024, 4 << 30, "Bytes that may wait for one connection before `overflow` decides."
    )
    queue_max_messages: int = setting(
        1024, "{message}", 1, 10_000_000, "Messages that may wait for one connection before `overflow` decides."
    )
    heartbeat_interval_s: float = setting(
        25.0,
        "s",
        0.05,
        3600,
        "Time between two pings to a connection. It must be shorter than every idle time-out on the way.",
        off=True,
    )
    heartbeat_timeout_s: float = setting(
        10.0, "s", 0.05, 3600, "Time that a pinged client has to send anything before it is closed with 4010."
    )
    write_timeout_s: float = setting(
        30.0,
        "s",
        0.05,
        3600,
        "Time for which a client may take no byte while data waits for it, before it is closed with 4009.",
        off=True,
    )
    handshake_timeout_s: float = setting(5.0, "s", 0.05, 600, "Time from accept to a complete request.")
    message_timeout_s: float = setting(
        30.0,
        "s",
        0.05,
        3600,
        "Time from the first byte of a client's message to its last; one that takes longer closes the connection with "
        "4013. Time in which the gateway itself does not read from the client does not count.",
        off=True,
    )
    close_timeout_s: float = setting(
        2.0, "s", 0.05, 600, "Time for the closing handshake; after it the socket is dropped."
    )
    notsent_lowat_bytes: int = setting(
        16384,
        "By",
        1024,
        1 << 30,
        "`TCP_NOTSENT_LOWAT`: unsent bytes that the kernel may hold for one connection. Small, so that a backlog waits "
        "where `overflow` can see it.",
        off=True,
    )
    send_buffer_bytes: int = setting(
        0,
        "By",
        4096,
        1 << 30,
        "`SO_SNDBUF` of each connection; 0 leaves it to the kernel, which grows it up to `net.ipv4.tcp_wmem`. Holds "
        "for new connections.",
        off=True,
    )
    allowed_origins: str = setting(
        "",
        "",
        None,
        None,
        "Origins of web pages that may connect, comma-separated (`https://app.example.org`), `*` for any. Empty: only "
        "pages from the gateway's own host and port. Clients that are not browsers send no Origin and are let in.",
    )
    channels: Rules = NO_RULES

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Return a copy with these values, given as text (`"64KiB"`) or as their own type.

        Raises:
            SettingError: A key is unknown, or a value does not fit.
        """
        known = _known()
        wanted: dict[str, Any] = {}
        rules = self.channels
        for key, value in values.items():
            if key == "channels" or key.startswith(PREFIX):
                rules = _ruled(rules, key, value)
            elif key not in known:
                raise SettingError(unknown(key, known))
            else:
                wanted[key] = parsed(known[key], value)
        return replace(self, **wanted, channels=rules)

    def as_dict(self) -> dict[str, Plain]:
        """Return all values as plain JSON types, in the order of this file; then `channels.<pattern>.<setting>`."""
        return {name: plain(getattr(self, name)) for name in _known()} | self.channels.as_dict()

    def instead_of(self, other: Settings) -> dict[str, Plain]:
        """Return the changes that turn `other` into these settings; an empty text takes a rule's value away."""
        return dict.fromkeys(other.channels.as_dict(), "") | self.as_dict()

    def rules(self) -> Resolved:
        """Return what holds for each channel."""
        return self.channels.over(self)


def _known() -> dict[str, Field[Any]]:
    return {item.name: item for item in fields(Settings) if "kind" in item.metadata}


def _ruled(rules: Rules, key: str, value: Any) -> Rules:
    """Read `channels.<pattern>.<setting>`, or a table of patterns with their settings."""
    if key != "channels":
        pattern, name = split(key)
        return rules.changed(pattern, {name: value})
    if not isinstance(value, Mapping) or not all(isinstance(values, Mapping) for values in value.values()):
        raise SettingError('channels has a table for each pattern: [channels."scores.*"]')
    for pattern, values in value.items():
        rules = rules.changed(pattern, values)
    return rules


def rules_table() -> str:
    """Return the reference table of what a channel's rule may set, as Markdown."""
    rows = ["| Setting | Range |", "|---|---|"]
    for name, kind in kinds().items():
        if kind.per_channel:
            rows.append(f"| `{name}` | {_allowed(kind)} |")
    return "\n".join(rows) + "\n"


def kinds() -> dict[str, Kind]:
    """Return unit, bounds and meaning of each setting by name."""
    return {name: item.metadata["kind"] for name, item in _known().items()}


def settings_table() -> str:
    """Return the reference table of all settings as Markdown; the documentation page carries it verbatim."""
    rows = ["| Setting | Default | Unit | Range | What it does |", "|---|---|---|---|---|"]
    for item in _known().values():
        kind: Kind = item.metadata["kind"]
        default = plain(item.default)
        shown = f"`{default}`" if default != "" else "empty"
        unit = f"`{kind.unit}`" if kind.unit else ""
        rows.append(f"| `{item.name}` | {shown} | {unit} | {_allowed(kind)} | {kind.doc} |")
    return "\n".join(rows) + "\n"


def _allowed(kind: Kind) -> str:
    return ", ".join(f"`{choice}`" for choice in kind.choices) or kind.bounds
