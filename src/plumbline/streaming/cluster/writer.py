"""Publish: one block of a channel at a time, each stored only if it follows the channel's newest message.

A JetStream stream counts all its messages together, but readers want each channel counted without a hole. So each
stored block carries its channel's offsets, and is accepted only if the channel's last stored message is still the
one the offsets were counted from (`Nats-Expected-Last-Subject-Sequence`). While a block is under way, what is published
in its channel meanwhile gathers into the next one: that keeps the rate up, and none waits behind more than one.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from plumbline.streaming.cluster import blocks
from plumbline.streaming.cluster.blocks import Head
from plumbline.streaming.cluster.link import Link, TimedOutError
from plumbline.streaming.cluster.reading import block_of, head_of, heads, newer
from plumbline.streaming.cluster.streams import Copy
from plumbline.streaming.cluster.subjects import token
from plumbline.streaming.core.broker import BrokerError, Position

MOST_MESSAGES = 256
MOST_BYTES = 256 << 10
ACK_S = 2.0  # then it is asked again whether the block was stored
DEADLINE_S = 6.0
PAUSE_S = 0.002  # times the number of collisions so far, times a random number
AGAIN_S = 0.2  # between two attempts to learn whether a block was stored
UNSURE = "NATS did not confirm the message in time, and it may have been stored; publish it again with the same key"
REMEMBERED = 100_000  # channels of which the newest sequence is known without asking
WRONG_LAST = 10071  # JetStream's error code: the expected last sequence of the subject was not right

Told = Callable[[Position | BrokerError], None]


class _Item(NamedTuple):
    data: bytes
    key: str | None
    done: Told


class Writer:
    """Publishes for one gateway process.

    Args:
        link: The connection.
        where: Returns the copy that this region reads, as it is known now.
        epoch: Returns the epoch of a channel with this birth.
    """

    def __init__(self, link: Link, where: Callable[[], Copy], epoch: Callable[[str], str]) -> None:
        self._link = link
        self._where = where
        self._epoch = epoch
        self._heads: dict[str, Head] = {}
        self._queues: dict[str, deque[_Item]] = {}  # a channel is here while somebody writes for it
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    def put(self, channel: str, data: bytes, key: str | None, done: Told) -> None:
        """Store a message and say where."""
        item = _Item(data, key, done)
        queue = self._queues.get(channel)
        if queue is not None:
            queue.append(item)
            return
        self._queues[channel] = deque([item])
        task = asyncio.get_running_loop().create_task(self._write(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note(self, channel: str, head: Head) -> None:
        """Note where a channel stands at home, as was seen on the way."""
        known = self._heads.get(channel)
        if known is None or known.sequence < head.sequence:
            self._remember(channel, head)

    def forget(self) -> None:
        """Forget where the channels stand: the stream may be another."""
        self._heads.clear()

    async def stop(self) -> None:
        """Answer what waits."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, channel: str) -> None:
        queue = self._queues[channel]
        block: list[_Item] = []
        told: BrokerError | None = None
        try:
            while queue:
                block = _next_block(queue)
                await self._answer(channel, block)
                block = []
        finally:
            del self._queues[channel]
            for item in (*block, *queue):  # not empty only if the gateway stops
                told = told or BrokerError("unavailable", "the gateway stops; whether it was stored is not known")
                item.done(told)

    async def _answer(self, channel: str, block: list[_Item]) -> None:
        try:
            birth, first = await self._store(channel, [item.data for item in block], block[0].key)
        except BrokerError as error:
            for item in block:
                item.done(error)
            return
        epoch = self._epoch(birth)
        for index, item in enumerate(block):
            item.done(Position(epoch, first + index))

    async def _store(self, channel: str, texts: list[bytes], key: str | None) -> tuple[str, int]:
        """Store a block; return the channel's birth and the first offset."""
        attempt = _Attempt(secrets.token_hex(8) if key is None else f"{token(channel)} {key}")
        now = asyncio.get_running_loop().time
        until = now() + DEADLINE_S
        while True:
            try:
                if (found := await self._once(channel, texts, attempt)) is not None:
                    return found
            except BrokerError as error:
                self._heads.pop(channel, None)
                if isinstance(error, TimedOutError) and attempt.after:
                    attempt.unsure = True
                    self.counts["unsure"] += 1
                if not attempt.unsure:
                    raise
                if now() > until:
                    raise BrokerError("unavailable", UNSURE) from None
                await asyncio.sleep(AGAIN_S)
            else:
                if now() > until:
                    raise BrokerError("unavailable", f"too many gateways publish in '{channel}' at once; try again")

    async def _once(self, channel: str, texts: list[bytes], attempt: _Attempt) -> tuple[str, int] | None:
        """Try to store a block; None if another gateway's message came before it."""
        head = self._heads.get(channel) or await self.born(channel)
        if attempt.unsure and (found := await self._find(channel, attempt)) is not None:
            return found
        attempt.after = attempt.after or head.sequence
        value = blocks.header(head.birth, head.offset, texts)
        answer = await self._send(channel, b"".join(texts), value, attempt.name, head.sequence, blocks.traces(texts))
        if answer.get("duplicate"):
            return await self._stored_before(answer["seq"])
        if "error" in answer:
            await self._collided(channel, answer["error"], attempt)
            return None
        self.counts["blocks"] += 1
        self.counts["messages"] += len(texts)
        self._remember(channel, Head(head.birth, head.offset + len(texts), answer["seq"]))
        return head.birth, head.offset + 1

    async def _send(
        self, channel: str, body: bytes, value: str, name: str, sequence: int, traces: str = ""
    ) -> dict[str, Any]:
        headers = {blocks.HEADER: value, "Nats-Expected-Last-Subject-Sequence": str(sequence), "Nats-Msg-Id": name}
        if traces:
            headers[blocks.TRACES] = traces
        copy = self._where()
        if copy.sealed:
            raise BrokerError("unavailable", f"region {copy.region} takes no messages: it is no longer home; try again")
        answer = await self._link.request(f"{copy.entrance}.{token(channel)}", body, headers, ACK_S)
        told: dict[str, Any] = json.loads(answer.data)
        return told

    async def _collided(self, channel: str, error: dict[str, Any], attempt: _Attempt) -> None:
        if error.get("err_code") != WRONG_LAST:
            raise BrokerError("unavailable", f"JetStream refused the message: {error.get('description')}")
        self._heads.pop(channel, None)
        attempt.collisions += 1
        self.counts["collisions"] += 1
        if attempt.collisions > 1:
            await asyncio.sleep(PAUSE_S * attempt.collisions * random.random())  # noqa: S311 - spreads writers, no secret

    async def born(self, channel: str) -> Head:
        """Return where a channel stands at home; one that is not there begins now.

        Raises:
            BrokerError: Home does not answer.
        """
        while True:
            copy = self._where()
            found = (await heads(self._link, [channel], copy.home if copy.mirror else "")).get(channel)
            if found is None:
                birth = secrets.token_hex(6)
                answer = await self._send(channel, b"", blocks.mark(birth, 0), birth, 0)
                if "error" not in answer:
                    found = Head(birth, 0, answer["seq"])
                elif answer["error"].get("err_code") != WRONG_LAST:
                    raise BrokerError("unavailable", f"JetStream refused the message: {answer['error']}")
            if found is not None:
                self._remember(channel, found)
                return found

    async def touch(self, channel: str, head: Head) -> None:
        """Store a mark where the channel stands, so that it is not forgotten while it is attended."""
        self.counts["marks"] += 1
        await self._send(channel, b"", blocks.mark(head.birth, head.offset), secrets.token_hex(8), head.sequence)

    async def _find(self, channel: str, attempt: _Attempt) -> tuple[str, int] | None:
        """Look whether a block that was not confirmed is there."""
        copy = self._where()
        for message in await newer(self._link, channel, attempt.after, copy.home if copy.mirror else ""):
            if (message.headers or {}).get("Nats-Msg-Id") == attempt.name:
                block = block_of(message)
                return block.birth, block.before + 1
        return None

    async def _stored_before(self, sequence: int) -> tuple[str, int]:
        """Return where a message stands whose key was used before."""
        self.counts["duplicates"] += 1
        copy = self._where()
        head = await head_of(self._link, sequence, copy.home if copy.mirror else "")
        if head is None:
            raise BrokerError("refused", "a message with this key was stored before, and has left the history since")
        return head.birth, head.offset

    def _remember(self, channel: str, head: Head) -> None:
        self._heads.pop(channel, None)
        self._heads[channel] = head
        if len(self._heads) > REMEMBERED:
            del self._heads[next(iter(self._heads))]


class _Attempt:
    """What is known of one block on its way.

    Args:
        name: Its id in JetStream, by which a second copy is known.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.unsure = False  # it was sent, and may have been stored
        self.after = 0  # sequence of the channel's newest message before it was first sent
        self.collisions = 0


def _next_block(queue: deque[_Item]) -> list[_Item]:
    """Take what goes into one block: one message with a key alone, or several without."""
    block = [queue.popleft()]
    size = len(block[0].data)
    while queue and block[0].key is None and queue[0].key is None and len(block) < MOST_MESSAGES:
        size += len(queue[0].data)
        if size > MOST_BYTES:
            break
        block.append(queue.popleft())
    return block
