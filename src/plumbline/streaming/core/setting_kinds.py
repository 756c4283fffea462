"""What one setting is: its type, unit, bounds and meaning, and how text becomes its value."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

SUFFIXES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
Plain = int | float | str


class SettingError(ValueError):
    """A setting is unknown, of the wrong type or out of range; the message is one sentence for people."""


class Overflow(StrEnum):
    """What happens when a message finds its reader's outbound queue full."""

    DISCONNECT = "disconnect"
    DROP_OLDEST = "drop-oldest"
    LATEST = "latest"
    WAIT = "wait"


class Announce(StrEnum):
    """What a channel says of its readers."""

    OFF = "off"
    MEMBERS = "members"
    EVENTS = "events"


class Publishers(StrEnum):
    """Which clients may publish in a channel, if their permissions allow it at all."""

    ANYBODY = "anybody"
    USERS = "users"
    NOBODY = "nobody"


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
        per_channel: A channel's rule may say otherwise.
    """

    unit: str
    low: float | None
    high: float | None
    doc: str
    off: bool = False
    choices: tuple[str, ...] = ()
    per_channel: bool = False

    @property
    def bounds(self) -> str:
        """The permitted values, as one phrase."""
        if self.low is None:
            return ", ".join(self.choices) or "text"
        return f"{self.low:g} to {self.high:.12g}" + (", or 0 for off" if self.off else "")


def setting(
    default: Any,
    unit: str,
    low: float | None,
    high: float | None,
    doc: str,
    *,
    off: bool = False,
    per_channel: bool = False,
) -> Any:
    """Return the dataclass field of one setting; the arguments are those of `Kind`."""
    choices = tuple(type(default)) if isinstance(default, StrEnum) else ()
    return field(default=default, metadata={"kind": Kind(unit, low, high, doc, off, choices, per_channel)})


def plain(value: Any) -> Plain:
    """Return a setting's value as a JSON type."""
    return str(value) if isinstance(value, str) else value


def unknown(key: str, known: Iterable[str], what: str = "setting") -> str:
    """Return the sentence that there is no such setting, with a hint."""
    names = list(known)
    near = get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
    return f"there is no {what} '{key}'; {hint}"


def parsed(item: dataclasses.Field[Any], value: Any) -> Any:
    """Turn text into the setting's type; what is not text is left for the check.

    Raises:
        SettingError: The text is no number where one is wanted.
    """
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


def checked(item: dataclasses.Field[Any], value: Any) -> Any:
    """Return the value in the setting's own type.

    Raises:
        SettingError: It has another type, or is out of range.
    """
    if isinstance(item.default, StrEnum):
        return _choice(item, value)
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


def _choice(item: dataclasses.Field[Any], value: Any) -> Any:
    choices = item.metadata["kind"].choices
    try:
        return type(item.default)(value)  # type: ignore[misc]  # no setting is without a default
    except ValueError:
        near = get_close_matches(str(value), choices, n=1, cutoff=0.4)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SettingError(f"{item.name} must be one of {', '.join(choices)}, not {value!r}{hint}") from None


def _wanted(item: dataclasses.Field[Any]) -> str:
    name = {int: "a whole number", float: "a number", str: "text"}.get(type(item.default), "text")
    kind: Kind = item.metadata["kind"]
    return f"{name} of{_unit(kind)}" if _unit(kind) else name


def _unit(kind: Kind) -> str:
    names = {"By": " bytes", "s": " seconds"}
    return names.get(kind.unit, "")
