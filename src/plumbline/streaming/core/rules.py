"""Which settings hold for which channel: patterns of names, of which the first that matches counts. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from plumbline.streaming.core.channel_settings import ChannelSettings
from plumbline.streaming.core.permissions import PATTERN_LENGTH, matches
from plumbline.streaming.core.setting_kinds import Plain, SettingError, checked, parsed, plain, unknown

PREFIX = "channels."
MAX_RULES = 256
_FIELDS = {item.name: item for item in fields(ChannelSettings)}

Values = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Patterns, each with the values that differ from the gateway's own; in the order in which they were given.

    Args:
        entries: Pattern (`*` is any text) and the values by name.
    """

    entries: tuple[tuple[str, Values], ...] = ()

    def changed(self, pattern: str, values: Mapping[str, Any]) -> Rules:
        """Return rules in which this pattern has these values too; an empty text takes one away.

        Raises:
            SettingError: There is no such setting for channels, a value does not fit, or there are too many patterns.
        """
        if not 1 <= len(pattern) <= PATTERN_LENGTH or any(letter.isspace() for letter in pattern):
            raise SettingError(f"a pattern of channels is text of 1 to {PATTERN_LENGTH} characters without white space")
        entries = dict(self.entries)
        wanted = dict(entries.get(pattern, ()))
        for name, value in values.items():
            if name not in _FIELDS:
                raise SettingError(f"{PREFIX}{pattern}: " + unknown(name, _FIELDS, "setting for channels"))
            wanted.pop(name, None)
            if value != "":
                wanted[name] = _value(pattern, name, value)
        entries[pattern] = tuple(wanted.items())
        if not wanted:
            del entries[pattern]
        if len(entries) > MAX_RULES:
            raise SettingError(f"there may be {MAX_RULES} patterns of channels")
        return Rules(tuple(entries.items()))

    def as_dict(self) -> dict[str, Plain]:
        """Return `channels.<pattern>.<setting>` and its value as a plain JSON type, in order."""
        return {f"{PREFIX}{pattern}.{name}": plain(value) for pattern, values in self.entries for name, value in values}

    def over(self, base: ChannelSettings) -> Resolved:
        """Return what holds for each channel, when `base` holds for those without a rule."""
        own = {name: getattr(base, name) for name in _FIELDS}
        return Resolved(base, [(pattern, ChannelSettings(**(own | dict(values)))) for pattern, values in self.entries])


NO_RULES = Rules()


class Resolved:
    """What holds for each channel.

    Args:
        base: For channels that no pattern matches.
        rules: Patterns and what holds for their channels, in order.
    """

    __slots__ = ("_base", "_rules")

    def __init__(self, base: ChannelSettings, rules: Iterable[tuple[str, ChannelSettings]]) -> None:
        self._base = base
        self._rules = tuple(rules)

    def of(self, channel: str) -> ChannelSettings:
        """Return the values of the first pattern that matches."""
        for pattern, values in self._rules:
            if matches(pattern, channel):
                return values
        return self._base

    def pattern(self, channel: str) -> str:
        """Return the first pattern that matches; `*` if none does."""
        return next((pattern for pattern, _ in self._rules if matches(pattern, channel)), "*")


def split(key: str) -> tuple[str, str]:
    """Return pattern and setting of `channels.<pattern>.<setting>`; a pattern may have dots of its own.

    Raises:
        SettingError: The key has another form.
    """
    pattern, dot, name = key.removeprefix(PREFIX).rpartition(".")
    if not dot:
        raise SettingError(f"'{key}' is no setting of channels; write channels.<pattern>.<setting>")
    return pattern, name


def _value(pattern: str, name: str, value: Any) -> Any:
    try:
        return checked(_FIELDS[name], parsed(_FIELDS[name], value))
    except SettingError as failed:
        raise SettingError(f"{PREFIX}{pattern}: {failed}") from None
