"""Acknowledged messages that a lost region holds and its successor never got: read them before they are replaced."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from plumbline.streaming.cluster.blocks import Block
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.reading import block_of, sequence_of
from plumbline.streaming.cluster.streams import META, STREAM, Copy
from plumbline.streaming.cluster.subjects import PREFIX, name_of
from plumbline.streaming.core.broker import BrokerError

PAGE = 256


@dataclass(frozen=True, slots=True)
class Hidden:
    """One message that only the lost region has.

    Args:
        channel: Its channel.
        epoch: The epoch it was acknowledged in.
        offset: Its number there.
        data: JSON text.
    """

    channel: str
    epoch: str
    offset: int
    data: bytes


async def beyond(link: Link, own: Copy, home: Copy) -> list[Hidden]:
    """Return what `own` holds beyond the sequence at which `home` took over from it.

    If home is of another line, all of it is, but for channels that were born there: a mirror may have got some.

    Raises:
        BrokerError: A stream cannot be read.
    """
    taken = home.config.get("metadata", {}).get(META + "taken_at")
    follows = taken is not None and home.term == own.term + 1 and home.line == own.line  # else: all is beyond
    born_there = set() if home.line == own.line else {block.birth async for _, block in _blocks(link, home, 1)}
    found: list[Hidden] = []
    async for channel, block in _blocks(link, own, (int(taken) if follows else 0) + 1):
        if block.birth not in born_there:
            epoch = f"{block.birth}-{own.generation}"
            found += [Hidden(channel, epoch, entry.offset, entry.data) for entry in block.entries(block.before)]
    return found


async def _blocks(link: Link, copy: Copy, start: int) -> AsyncIterator[tuple[str, Block]]:
    """Read a stream from a sequence on: each block with its channel."""
    more = 1
    while more and start <= copy.last:
        asked = {"seq": start, "next_by_subj": f"{PREFIX}.ch.*", "batch": PAGE}
        messages, more = await link.batch(STREAM, asked, copy.region)
        if not messages:
            break
        start = sequence_of(messages[-1]) + 1
        for message in messages:
            with contextlib.suppress(BrokerError):  # not a gateway's
                yield name_of((message.headers or {})["Nats-Subject"].rpartition(".")[2]), block_of(message)


def lines(hidden: Iterable[Hidden]) -> str:
    """Return one JSON object per line and message."""
    rows = [
        {"channel": one.channel, "epoch": one.epoch, "offset": one.offset, "data": json.loads(one.data)}
        for one in hidden
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
