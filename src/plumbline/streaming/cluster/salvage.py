"""Acknowledged messages that a lost region holds and its successor never got: read them before they are replaced."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

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

    Raises:
        BrokerError: The stream cannot be read.
    """
    taken = home.config.get("metadata", {}).get(META + "taken_at")
    follows = taken is not None and home.term == own.term + 1  # else it is not known: all is beyond
    start, more = (int(taken) if follows else 0) + 1, 1
    found: list[Hidden] = []
    while more and start <= own.last:
        asked = {"seq": start, "next_by_subj": f"{PREFIX}.ch.*", "batch": PAGE}
        messages, more = await link.batch(STREAM, asked, own.region)
        if not messages:
            break
        start = sequence_of(messages[-1]) + 1
        for message in messages:
            try:
                block = block_of(message)
            except BrokerError:
                continue
            channel = name_of((message.headers or {})["Nats-Subject"].rpartition(".")[2])
            epoch = f"{block.birth}-{own.generation}"
            found += [Hidden(channel, epoch, entry.offset, entry.data) for entry in block.entries(block.before)]
    return found


def lines(hidden: Iterable[Hidden]) -> str:
    """Return one JSON object per line and message."""
    rows = [
        {"channel": one.channel, "epoch": one.epoch, "offset": one.offset, "data": json.loads(one.data)}
        for one in hidden
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
