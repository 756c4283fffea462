"""Why a connection ended, or was refused, and what that means: come back or not, when, and with what. Pure."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass

from plumbline.streaming.core.closes import (
    AUTH_TIMEOUT,
    BAD_TOKEN,
    CODES,
    LOST,
    RATE_LIMITED,
    REGION_GONE,
    TOKEN_EXPIRED,
)

MAX_RETRY_AFTER_S = 3600.0  # a server that says more is taken to mean this: nobody waits for a day by a typing error
POLICY_VIOLATION, TRY_LATER = 1008, 1013
_NEVER = frozenset({1002, 1003, 1007, POLICY_VIOLATION, 1009, 1010})
_WAIT_S = {RATE_LIMITED: 10.0, TRY_LATER: 5.0}  # 4029: as the table of close codes says
_BLAMED = frozenset({1011, REGION_GONE})  # another address may do better
_PLANNED = frozenset({1000, 1001, 1012})
_RETRY_STATUS = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the end of a connection, or of an attempt, means.

    Args:
        sentence: What happened, for people; it holds no token.
        again: Connecting again is of use.
        at_least_s: Seconds that the server asked to wait.
        fresh_token: Another token is needed.
        blame: This address is to blame: if there is another one, go there.
        code: Close code or HTTP status; None if there was neither.
    """

    sentence: str
    again: bool = True
    at_least_s: float = 0.0
    fresh_token: bool = False
    blame: bool = False
    code: int | None = None


def of_close(code: int | None, reason: str) -> Verdict:
    """Judge a close code: 4000 to 4499 come back, 4500 to 4999 do not, and those of RFC 6455 as the table says.

    Args:
        code: The code, or None if the connection just ended.
        reason: What the server said with it.
    """
    code = LOST if code is None else code
    known = CODES.get(code)
    said = reason or (known.meaning if known else "")
    sentence = f"the gateway closed the connection with {code}" + (f" ({known.label})" if known else "")
    if code == LOST:
        sentence = "the connection ended without a word"
    elif said:
        sentence += f": {said.rstrip('.')}"
    if code in (TOKEN_EXPIRED, AUTH_TIMEOUT, BAD_TOKEN):
        return Verdict(sentence, fresh_token=True, code=code)
    if code in _NEVER or 4500 <= code <= 4999:
        return Verdict(sentence, again=False, code=code)
    return Verdict(sentence, at_least_s=_WAIT_S.get(code, 0.0), blame=code in _BLAMED, code=code)


def planned(code: int | None) -> bool:
    """Say whether a close with this code is part of a server's ordinary life, and no failure."""
    return code in _PLANNED


def of_refusal(status: int, headers: Mapping[str, str], body: str, now: float) -> Verdict:
    """Judge an answer to the handshake that is not an upgrade.

    Args:
        status: HTTP status.
        headers: Of the answer; `Retry-After` is obeyed, in seconds or as a date.
        body: What the server said; its first line goes into the sentence.
        now: Seconds since 1970.
    """
    line = body.strip().partition("\n")[0][:200]
    sentence = f"the gateway refused the handshake with HTTP {status}" + (f": {line}" if line else "")
    if status == 401:
        return Verdict(sentence, fresh_token=True, code=status)
    if status < 500 and status not in _RETRY_STATUS:
        return Verdict(sentence, again=False, code=status)
    return Verdict(sentence, at_least_s=retry_after_s(headers.get("Retry-After"), now), blame=True, code=status)


def unreachable(sentence: str) -> Verdict:
    """Judge an address that cannot be reached, or a peer that is dead."""
    return Verdict(sentence, blame=True)


def retry_after_s(value: str | None, now: float) -> float:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); 0 if it is missing or unreadable.

    Args:
        value: Seconds, or an HTTP date.
        now: Seconds since 1970.
    """
    if value is None:
        return 0.0
    try:
        seconds = float(value) if value.strip().isdecimal() else _date(value) - now
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0


def _date(value: str) -> float:
    return email.utils.parsedate_to_datetime(value).timestamp()
