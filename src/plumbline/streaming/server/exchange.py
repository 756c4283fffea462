"""One request over HTTP, answered once: what a WebSocket client would ask, for clients that have none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.core.jsontext import to_json
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.parsing import TRACE_LENGTH
from plumbline.streaming.core.request import RefusedError, Request, answer
from plumbline.streaming.core.sse import read_positions
from plumbline.streaming.server.writing import Writing

STATUS = {
    "denied": 403,
    "forbidden": 403,
    "not-permitted": 403,
    "rate-limited": 429,
    "too-large": 413,
    "unavailable": 503,
    "not-allowed": 403,
}


def _publish(request: Request) -> dict[str, Any]:
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        raise RefusedError(400, 'the body is no JSON; send {"channel": "name", "data": …}') from None
    if not isinstance(asked, dict) or "channel" not in asked or not asked.keys() <= {"channel", "data", "key"}:
        raise RefusedError(400, 'the body is {"channel": "name", "data": …}, and "key" if it must be stored once only')
    more = {"key": asked["key"]} if "key" in asked else {}
    if trace := request.headers.get("traceparent", "")[:TRACE_LENGTH]:
        more["trace"] = trace
    return {"publish": asked["channel"], "data": asked.get("data"), **more}


def _history(request: Request) -> dict[str, Any]:
    name = _channel(request)
    asked: dict[str, Any] = {"history": name}
    if limit := request.asked("limit"):
        if not limit[-1].isdecimal():
            raise RefusedError(400, "limit is a number of messages")
        asked["limit"] = int(limit[-1])
    if since := request.asked("since"):
        known = read_positions(f"since={since[-1]}")
        asked["since"] = {"epoch": known["since"].epoch, "offset": known["since"].offset}
    return asked


def _presence(request: Request) -> dict[str, Any]:
    return {"presence": _channel(request)}


def _channel(request: Request) -> str:
    names = request.asked("channel")
    if len(names) != 1:
        raise RefusedError(400, "which channel? One, as channel=NAME")
    return names[0]


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked.

    Args:
        method: Of the request.
        take: Returns the command's members.
    """

    method: str
    take: Callable[[Request], dict[str, Any]]

    def read(self, request: Request) -> str:
        """Return the command as a WebSocket client would write it.

        Raises:
            RefusedError: The request is none of this kind.
        """
        if request.method != self.method:
            raise RefusedError(405, f"this is asked with {self.method}", headers={"Allow": self.method})
        return to_json({"id": 0, **self.take(request)}).decode()


ROUTES = {
    "/publish": Route("POST", _publish),
    "/history": Route("GET", _history),
    "/presence": Route("GET", _presence),
}


class Exchange(Writing):
    """A client until it has its answer."""

    __slots__ = ("headers",)
    headers: dict[str, str]

    def deliver(self, message: Message, now: float) -> None:
        """Send the answer to the one request; there is nothing else to say."""
        if not self.live:
            return
        told = json.loads(message.payload)
        told.pop("id", None)
        failed = told.get("error")
        status, headers = 200, dict(self.headers)
        if failed is not None:
            status = STATUS.get(failed["code"], 400)
            if "retry_after_s" in failed:
                headers["Retry-After"] = str(math.ceil(failed["retry_after_s"]))
        self.live = False
        self.last_io = now
        self.link.send(answer(status, "application/json", to_json(told) + b"\n", headers))
        self.link.finish()

    def close(self, code: int, sentence: str) -> int:  # noqa: ARG002 - HTTP has no close codes
        """Answer that the gateway did not get to it."""
        if self.live:
            self.live = False
            body = to_json({"error": {"code": "unavailable", "message": sentence}}) + b"\n"
            self.link.send(answer(503, "application/json", body, {**self.headers, "Retry-After": "1"}))
            self.link.finish()
        return 0

    def received(self, data: bytes) -> None:
        """Forget it: there is one request."""

    def ended(self) -> None:
        """Wait for the answer, or close when it is out."""
        if not self.live:
            self.link.close()

    def writable(self) -> None:
        """Send no more: the answer is out."""
        self.link.finish()

    def lost(self) -> None:
        """Forget the client; it was never a connection that is counted."""
        self.live = False
        self.owner.forget(self)
