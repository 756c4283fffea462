"""Reads from a copy of the stream: where channels stand, and what was said in one."""

from __future__ import annotations

from collections.abc import Sequence

from nats.aio.msg import Msg

from plumbline.streaming.cluster import blocks
from plumbline.streaming.cluster.ages import instant
from plumbline.streaming.cluster.blocks import Block, ForeignError, Head
from plumbline.streaming.cluster.kept import Kept, gathered
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import STREAM
from plumbline.streaming.cluster.subjects import name_of, stored
from plumbline.streaming.core.broker import BrokerError

HEADS_AT_ONCE = 500  # the server answers at most 1,024 subjects in one request
PAGE_MESSAGES = 256
PAGE_BYTES = 1 << 20


async def heads(link: Link, channels: Sequence[str], domain: str = "") -> dict[str, Head]:
    """Return where these channels stand; those that are not in the stream are not in the answer.

    Raises:
        BrokerError: The stream cannot be read.
    """
    found: dict[str, Head] = {}
    for at in range(0, len(channels), HEADS_AT_ONCE):
        part = [stored(channel) for channel in channels[at : at + HEADS_AT_ONCE]]
        messages, _ = await link.batch(STREAM, {"multi_last": part, "batch": len(part)}, domain)
        for message in messages:
            block = block_of(message)
            name = name_of((message.headers or {})["Nats-Subject"].rpartition(".")[2])
            found[name] = Head(block.birth, block.last, sequence_of(message))
    return found


async def head_of(link: Link, sequence: int, domain: str = "") -> Head | None:
    """Return the position of the first message in the block with this sequence; None if it is no longer there.

    Raises:
        BrokerError: The stream cannot be read.
    """
    messages, _ = await link.batch(STREAM, {"seq": sequence, "batch": 1}, domain)
    if not messages or sequence_of(messages[0]) != sequence:
        return None
    block = block_of(messages[0])
    return Head(block.birth, block.before + 1, sequence)


async def newer(link: Link, channel: str, after: int, domain: str = "") -> list[Msg]:
    """Return a channel's stored messages with a sequence beyond `after`, oldest first.

    Raises:
        BrokerError: The stream cannot be read.
    """
    found: list[Msg] = []
    start, more = after + 1, 1
    while more:
        asked = {"seq": start, "next_by_subj": stored(channel), "batch": PAGE_MESSAGES, "max_bytes": PAGE_BYTES}
        messages, more = await link.batch(STREAM, asked, domain)
        if not messages:
            break
        found += messages
        start = sequence_of(messages[-1]) + 1
    return found


async def kept_of(link: Link, channel: str) -> Kept | None:
    """Return what is kept of a channel, up to its head; None if it is not in the stream.

    Raises:
        BrokerError: The stream cannot be read.
    """
    messages = await newer(link, channel, 0)
    return gathered((block_of(message), stored_at(message)) for message in messages)


def block_of(message: Msg) -> Block:
    """Return the block that a stored or repeated message holds.

    Raises:
        BrokerError: Somebody else than a gateway wrote it.
    """
    try:
        headers = message.headers or {}
        return blocks.with_traces(blocks.read(headers.get(blocks.HEADER), message.data), headers.get(blocks.TRACES))
    except ForeignError as error:
        raise BrokerError("unavailable", str(error)) from None


def sequence_of(message: Msg) -> int:
    """Return the stored message's sequence in the stream."""
    return int((message.headers or {})["Nats-Sequence"])


def stored_at(message: Msg) -> float:
    """Return when it was stored, in seconds since 1970."""
    return instant((message.headers or {})["Nats-Time-Stamp"]) or 0.0
