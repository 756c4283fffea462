"""The client's token: where it comes from, when it ends, and when to get another one."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import time
from collections.abc import Awaitable, Callable

from plumbline.streaming.client.errors import ClientError

Source = str | Callable[[], str | Awaitable[str]]
MARGIN = 0.1  # of the time that is left: a token of an hour is renewed 6 minutes before
LONGEST_MARGIN_S = 60.0


class TokenSourceError(ClientError):
    """The program's callback gave no token."""


class Token:
    """Gets tokens, and keeps the last one while it is good.

    Args:
        source: The token, or a function that returns one; it is called again when the last one ends or is refused.
        wall: Returns seconds since 1970.
    """

    def __init__(self, source: Source | None, wall: Callable[[], float] = time.time) -> None:
        self._source = source
        self._wall = wall
        self._last: str | None = source if isinstance(source, str) else None
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        """Whether another token can be had."""
        return callable(self._source)

    def refused(self) -> None:
        """Note that the gateway did not take the last one."""
        self._good_until = 0.0

    async def get(self) -> str | None:
        """Return a token that is good for a while; None if there is none to show.

        Raises:
            TokenSourceError: The callback failed.
        """
        if not callable(self._source):
            return self._last
        async with self._lock:
            if self._last is None or self._wall() >= self._good_until:
                self._last = await self._fetch(self._source)
                ends = expires_at(self._last)
                self._good_until = float("inf") if ends is None else ends - margin_s(ends - self._wall())
            return self._last

    async def _fetch(self, source: Callable[[], str | Awaitable[str]]) -> str:
        try:
            token = source()
            if inspect.isawaitable(token):
                token = await token
        except Exception as error:
            raise TokenSourceError(f"the token callback failed: {type(error).__name__}: {error}") from error
        if not isinstance(token, str) or not token.isascii() or not token:
            raise TokenSourceError(f"the token callback returned {type(token).__name__}, not a token as text")
        return token


def margin_s(lasts_s: float) -> float:
    """Return how many seconds before its end a token is renewed, if it still lasts for so many seconds."""
    return min(LONGEST_MARGIN_S, max(0.0, lasts_s) * MARGIN)


def expires_at(token: str) -> float | None:
    """Return when a JWT ends, in seconds since 1970, without checking anything of it; None if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None
