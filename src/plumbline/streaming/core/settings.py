"""Every setting of the gateway: typed, bounded, documented, in this one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

SUFFIXES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class SettingError(ValueError):
    """A setting is unknown, of the wrong type or out of range; the message is one sentence for people."""


class Overflow(StrEnum):
    """What happens when a message finds its reader's outbound queue full."""

    DISCONNECT = "disconnect"
    DROP_OLDEST = "drop-oldest"
    LATEST = "latest"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Kind:
    """Unit, bounds and meaning of one setting.

    Args:
        unit: UCUM code, `{connection}` and the like for counts, empty for text.
        low: Smallest value; None for text.
        high: Largest value; None for text.
        doc: What it does, for people.
        off: Zero is allowed too and switches the limit off, or leaves it to the kernel.
        choices: The permitted words, if only some are.
    """

    unit: str
    low: float | None
    high: float | None
    doc: str
    off: bool = False
    choices: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        """The permitted values, as one phrase."""
        if self.low is None:
            return ", ".join(self.choices) or "text"
        return f"{self.low:g} to {self.high:.12g}" + (", or 0 for off" if self.off else "")


def _of(default: Any, unit: str, low: float | None, high: float | None, doc: str, *, off: bool = False) -> Any:
    choices = tuple(Overflow) if isinstance(default, Overflow) else ()
    return field(default=default, metadata={"kind": Kind(unit, low, high, doc, off, choices)})


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's settings; immutable, so that a change is a new object that was checked as a whole.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    listen_backlog: int = _of(
        4096,
        "{connection}",
        1,
        65535,
        "Length of the kernel's queue of connections that wait to be accepted. The kernel takes the smaller of this "
        "and `net.core.somaxconn`. A change listens again on the live socket; nothing is closed.",
    )
    accept_batch: int = _of(
        64,
        "{connection}",
        1,
        4096,
        "Connections accepted in one turn of the event loop, before it serves those that exist.",
    )
    max_connections: int = _of(
        20000,
        "{connection}",
        1,
        1_000_000,
        "WebSocket connections at one time; one more is answered 503 with `Retry-After`.",
    )
    max_subscriptions: int = _of(128, "{subscription}", 1, 100_000, "Channels that one connection may subscribe to.")
    max_channels: int = _of(
        100_000,
        "{channel}",
        1,
        10_000_000,
        "Channels whose offset is remembered. Beyond it the channel that has had no reader for longest is forgotten, "
        "and starts again under a new epoch.",
    )
    max_message_bytes: int = _of(
        65536,
        "By",
        64,
        16 << 20,
        "Size of one message from a client; a larger one closes the connection with 1009. Lowering it holds at once, "
        "raising it for new connections.",
    )
    queue_max_bytes: int = _of(
        1 << 20, "By", 1024, 4 << 30, "Bytes that may wait for one connection before `overflow` decides."
    )
    queue_max_messages: int = _of(
        1024, "{message}", 1, 10_000_000, "Messages that may wait for one connection before `overflow` decides."
    )
    overflow: Overflow = _of(  # noqa: RUF009 - returns a dataclass field
        Overflow.DISCONNECT,
        "",
        None,
        None,
        "What a full queue does: `disconnect` closes the slow reader with 4008; `drop-oldest` forgets its oldest "
        "messages; `latest` keeps only each channel's newest message; `wait` stops reading from the publisher until "
        "its slowest reader has room, so one slow reader holds everybody.",
    )
    heartbeat_interval_s: float = _of(
        25.0,
        "s",
        0.05,
        3600,
        "Time between two pings to a connection. It must be shorter than every idle time-out on the way.",
        off=True,
    )
    heartbeat_timeout_s: float = _of(
        10.0, "s", 0.05, 3600, "Time that a pinged client has to send anything before it is closed with 4010."
    )
    write_timeout_s: float = _of(
        30.0,
        "s",
        0.05,
        3600,
        "Time for which a client may take no byte while data waits for it, before it is closed with 4009.",
        off=True,
    )
    handshake_timeout_s: float = _of(5.0, "s", 0.05, 600, "Time from accept to a complete request.")
    close_timeout_s: float = _of(2.0, "s", 0.05, 600, "Time for the closing handshake; after it the socket is dropped.")
    notsent_lowat_bytes: int = _of(
        16384,
        "By",
        1024,
        1 << 30,
        "`TCP_NOTSENT_LOWAT`: unsent bytes that the kernel may hold for one connection. Small, so that a backlog waits "
        "where `overflow` can see it.",
        off=True,
    )
    send_buffer_bytes: int = _of(
        0,
        "By",
        4096,
        1 << 30,
        "`SO_SNDBUF` of each connection; 0 leaves it to the kernel, which grows it up to `net.ipv4.tcp_wmem`. Holds "
        "for new connections.",
        off=True,
    )
    allowed_origins: str = _of(
        "",
        "",
        None,
        None,
        "Origins of web pages that may connect, comma-separated (`https://app.example.org`), `*` for any. Empty: only "
        "pages from the gateway's own host and port. Clients that are not browsers send no Origin and are let in.",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Return a copy with these values, given as text (`"64KiB"`) or as their own type.

        Raises:
            SettingError: A key is unknown, or a value does not fit.
        """
        known = {item.name: item for item in fields(self)}
        for key in values:
            if key not in known:
                raise SettingError(_unknown(key, list(known)))
        return replace(self, **{key: _parsed(known[key], value) for key, value in values.items()})

    def as_dict(self) -> dict[str, int | float | str]:
        """Return all values as plain JSON types, in the order of this file."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def kinds() -> dict[str, Kind]:
    """Return unit, bounds and meaning of each setting by name."""
    return {item.name: item.metadata["kind"] for item in fields(Settings)}


def settings_table() -> str:
    """Return the reference table of all settings as Markdown; the documentation page carries it verbatim."""
    rows = ["| Setting | Default | Unit | Range | What it does |", "|---|---|---|---|---|"]
    for item in fields(Settings):
        kind: Kind = item.metadata["kind"]
        allowed = ", ".join(f"`{choice}`" for choice in kind.choices) or kind.bounds
        default = _plain(item.default)
        shown = f"`{default}`" if default != "" else "empty"
        unit = f"`{kind.unit}`" if kind.unit else ""
        rows.append(f"| `{item.name}` | {shown} | {unit} | {allowed} | {kind.doc} |")
    return "\n".join(rows) + "\n"


def _plain(value: Any) -> int | float | str:
    return str(value) if isinstance(value, str) else value


def _unknown(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
    return f"there is no setting '{key}'; {hint}"


def _parsed(item: dataclasses.Field[Any], value: Any) -> Any:
    """Turn text into the setting's type; what is not text is left for the check."""
    if not isinstance(value, str) or isinstance(item.default, str):
        return value
    text = value.strip()
    wanted = int if isinstance(item.default, int) else float
    for suffix, factor in SUFFIXES.items():
        if wanted is int and text.endswith(suffix) and text.removesuffix(suffix).strip().isdecimal():
            return int(text.removesuffix(suffix)) * factor
    try:
        return wanted(text)
    except ValueError:
        raise SettingError(f"{item.name} must be {_wanted(item)}, not {value!r}") from None


def _checked(item: dataclasses.Field[Any], value: Any) -> Any:
    if isinstance(item.default, Overflow):
        return _overflow(item, value)
    if isinstance(item.default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(item.default):
        raise SettingError(f"{item.name} must be {_wanted(item)}, not {value!r}")
    _in_range(item.name, item.metadata["kind"], value)
    return value


def _in_range(name: str, kind: Kind, value: Any) -> None:
    if kind.low is None or kind.high is None or (kind.off and value == 0):
        return
    if not kind.low <= value <= kind.high:  # NaN fails here too
        raise SettingError(f"{name}={value} is out of range: it may be {kind.bounds}{_unit(kind)}")


def _overflow(item: dataclasses.Field[Any], value: Any) -> Overflow:
    try:
        return Overflow(value)
    except ValueError:
        near = get_close_matches(str(value), list(Overflow), n=1, cutoff=0.4)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SettingError(f"{item.name} must be one of {', '.join(Overflow)}, not {value!r}{hint}") from None


def _wanted(item: dataclasses.Field[Any]) -> str:
    name = {int: "a whole number", float: "a number", str: "text"}.get(type(item.default), "text")
    kind: Kind = item.metadata["kind"]
    return f"{name} of{_unit(kind)}" if _unit(kind) else name


def _unit(kind: Kind) -> str:
    names = {"By": " bytes", "s": " seconds"}
    return names.get(kind.unit, "")
