"""Requests that wait for an answer: in order, across connections, until their time is over. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Ask:
    """One request.

    Args:
        request: Its id.
        verb: What it asks for, for sentences.
        text: The command; sent again as it is, after the connection was lost.
        token: Whom to answer.
        timeout_s: How long it may take in all, in seconds.
        deadline: Clock time at which it fails.
        hint: Said when it was not answered.
        lasting: It is of use on another connection too.
        tries: How often it was sent.
        sent: It was sent on this connection.
    """

    request: int
    verb: str
    text: str
    token: Any
    timeout_s: float
    deadline: float
    hint: str = ""
    lasting: bool = True
    tries: int = 0
    sent: bool = False


class Asks:
    """All requests of one session, in the order in which they were made."""

    def __init__(self) -> None:
        self._asks: dict[int, Ask] = {}

    def __len__(self) -> int:
        return len(self._asks)

    def __iter__(self) -> Iterator[Ask]:
        return iter(list(self._asks.values()))

    def add(self, ask: Ask) -> None:
        """Wait for an answer to this."""
        self._asks[ask.request] = ask

    def get(self, request: int) -> Ask | None:
        """Return the request with this id, if it waits."""
        return self._asks.get(request)

    def pop(self, request: int) -> Ask | None:
        """Wait for it no longer."""
        return self._asks.pop(request, None)

    def disconnected(self) -> list[Ask]:
        """Note that the connection is gone; return those that end with it."""
        for ask in self._asks.values():
            ask.sent = False
        over = [ask for ask in self._asks.values() if not ask.lasting]
        for ask in over:
            del self._asks[ask.request]
        return over
