"""What a token's claims say, once its signature is checked: whose it is, until when, and for which channels. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from plumbline.streaming.core.identity import Identity
from plumbline.streaming.core.permissions import ACTIONS, Permissions

USER_LENGTH = 256  # characters of `sub`
TOKEN_LENGTH = 8192  # characters: longer ones are not looked at
LATEST = 1 << 53  # seconds: beyond it neither JSON's numbers nor clocks are exact

Refusal = Literal["bad-token", "token-expired"]


class TokenError(Exception):
    """A token cannot be accepted. The sentence never quotes it, or anything it says.

    Args:
        reason: `token-expired`: a fresh one helps; `bad-token`: it does not.
        sentence: Why, for people.
    """

    def __init__(self, reason: Refusal, sentence: str) -> None:
        self.reason: Refusal = reason
        self.sentence = sentence
        super().__init__(sentence)


def identity_of(claims: Mapping[str, Any], now: float, leeway_s: float) -> Identity:
    """Return whom these claims stand for.

    Args:
        claims: `exp` (needed), `nbf`, `sub`, and `channels` with lists of patterns under `subscribe`, `publish`,
            `history` and `presence`; what `channels` does not name is forbidden. Others are left alone.
        now: Seconds since 1970.
        leeway_s: Seconds by which the clock of who made the token may differ.

    Raises:
        TokenError: It has ended, or a claim is missing or not of its form.
    """
    ends = _time(claims, "exp")
    if ends is None:
        raise TokenError("bad-token", "the token has no exp claim; one that never ends is not accepted")
    begins = _time(claims, "nbf")
    if begins is not None and begins - leeway_s > now:
        raise TokenError("bad-token", "the token is not valid yet (nbf)")
    if ends + leeway_s <= now:
        raise TokenError("token-expired", "the token has expired; connect again with a fresh one")
    return Identity("", _user(claims.get("sub")), ends + leeway_s, _permissions(claims.get("channels", {})))


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST or math.isnan(value):
        raise TokenError("bad-token", f"the token's {name} claim is no time in seconds since 1970")
    return float(value)


def _user(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= USER_LENGTH or not value.isprintable():
        raise TokenError("bad-token", f"the token's sub claim must be text of 1 to {USER_LENGTH} printable characters")
    return value


def _permissions(value: Any) -> Permissions:
    if not isinstance(value, dict):
        raise TokenError("bad-token", "the token's channels claim must be an object")
    if not value.keys() <= set(ACTIONS):
        raise TokenError("bad-token", f"the token's channels claim may only have {', '.join(ACTIONS)}")
    for action, patterns in value.items():
        if not isinstance(patterns, list):
            raise TokenError("bad-token", f"channels.{action} of the token must be a list of patterns")
    try:
        return Permissions(**{action: tuple(patterns) for action, patterns in value.items()})
    except ValueError as error:
        raise TokenError("bad-token", f"in the token {error}") from None
