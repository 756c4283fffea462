"""Which channels a client may use, and how: patterns by action. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Action = Literal["subscribe", "publish", "history", "presence"]
ACTIONS: tuple[Action, ...] = get_args(Action)
ALL = ("*",)
PATTERN_LENGTH = 200  # characters, as a channel's name
MAX_PATTERNS = 256  # per action: what is asked before each command must stay quick


@dataclass(frozen=True, slots=True)
class Permissions:
    """Patterns of channel names by action; an action without patterns is forbidden everywhere.

    Args:
        subscribe: Channels whose messages it may read as they come.
        publish: Channels it may write to.
        history: Channels whose past it may read.
        presence: Channels of which it may see who is there, and where it may show itself.

    Raises:
        ValueError: There are too many patterns, or one is empty or too long.
    """

    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    presence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for action in ACTIONS:
            object.__setattr__(self, action, _patterns(action, getattr(self, action)))

    def may(self, action: Action, channel: str) -> bool:
        """Say whether this channel may be used so."""
        patterns: tuple[str, ...] = getattr(self, action)
        return "*" in patterns or any(matches(pattern, channel) for pattern in patterns)


def matches(pattern: str, channel: str) -> bool:
    """Say whether the pattern stands for this channel: `*` is any text, dots and nothing at all included.

    Takes time in proportion to the two lengths: patterns come from tokens, and none may stop the gateway.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == channel
    last = rest.pop()
    if len(channel) < len(first) + len(last) or not channel.startswith(first) or not channel.endswith(last):
        return False
    at, end = len(first), len(channel) - len(last)
    for part in rest:
        found = channel.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _patterns(action: str, given: Iterable[str]) -> tuple[str, ...]:
    patterns = tuple(given)
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"channels.{action} has {len(patterns)} patterns, but at most {MAX_PATTERNS} are looked at")
    for pattern in patterns:
        if not isinstance(pattern, str) or not 1 <= len(pattern) <= PATTERN_LENGTH:
            raise ValueError(f"a pattern in channels.{action} must be text of 1 to {PATTERN_LENGTH} characters")
    return patterns


EVERYTHING = Permissions(ALL, ALL, ALL, ALL)
NOTHING = Permissions()
