"""Protocol 2 from the client's side: commands to text, many of them to one message, and what comes back. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from plumbline.streaming.core.broker import Member, Position
from plumbline.streaming.core.jsontext import to_json


class WireError(Exception):
    """The gateway sent what is not the protocol; the message is one sentence."""


def command(request: int, verb: str, value: str, **more: Any) -> str:
    """Return one command as JSON text; what is None is left out, and a position becomes an object."""
    told: dict[str, Any] = {"id": request, verb: value}
    for name, item in more.items():
        if item is not None:
            told[name] = {"epoch": item.epoch, "offset": item.offset} if isinstance(item, Position) else item
    return to_json(told).decode()


def publication(request: int, channel: str, data: str, key: str) -> str:
    """Return the command to publish JSON text, which is not encoded a second time."""
    head = to_json({"id": request, "publish": channel, "key": key}).decode()
    return f'{head[:-1]},"data":{data}}}'


def batches(texts: Iterable[str], max_batch: int, max_bytes: int) -> Iterator[str]:
    """Join commands to messages, in order.

    Args:
        texts: Commands as JSON text.
        max_batch: Commands that one message may hold.
        max_bytes: Bytes that it may hold; a single command that is larger goes alone.
    """
    waiting: list[str] = []
    size = 1
    for text in texts:
        more = len(text.encode()) + 1
        if waiting and (len(waiting) == max_batch or size + more > max_bytes):
            yield _joined(waiting)
            waiting, size = [], 1
        waiting.append(text)
        size += more
    if waiting:
        yield _joined(waiting)


def read(text: str | bytes) -> dict[str, Any]:
    """Return what the gateway said.

    Raises:
        WireError: It is no JSON object.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the gateway sent what is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise WireError("the gateway sent JSON that is no object")
    return told


def position(told: dict[str, Any]) -> Position:
    """Return the position in an answer.

    Raises:
        WireError: There is none.
    """
    epoch, offset = told.get("epoch"), told.get("offset")
    if not isinstance(epoch, str) or not isinstance(offset, int):
        raise WireError("the gateway's answer has no epoch and offset")
    return Position(epoch, offset)


def member(told: Any) -> Member:
    """Return a client as presence tells of it.

    Raises:
        WireError: It is not of that form.
    """
    try:
        return Member(str(told["client"]), told["user"], float(told["since"]))
    except (KeyError, TypeError, ValueError):
        raise WireError("the gateway told of a client in a form that is not known") from None


def _joined(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
