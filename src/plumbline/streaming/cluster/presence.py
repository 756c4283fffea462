"""Who is present, in all gateways of a region.

Each member is one message in a stream in memory, under its channel, its gateway and its connection. Each gateway also
keeps a lease there that the server forgets after `LEASE_S`: members of a gateway without a lease are not shown. So the
members of a gateway that died vanish within `LEASE_S`, and nobody writes for those who just stay.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable

from nats.aio.msg import Msg

from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import PRESENCE
from plumbline.streaming.cluster.subjects import present, token
from plumbline.streaming.core.broker import BrokerError, Member

LEASE_S = 10  # whole seconds: JetStream counts a message's life so
BEAT_S = LEASE_S / 4
LIFE_S = 900  # of what is said of one member; said again after a third
GONE_S = 1  # of the message that replaces a member who left
PAGE = 1000

Told = Callable[[tuple[Member, ...] | BrokerError], None]


class Presence:
    """Members of this gateway's clients, and the question who is there.

    Args:
        link: The connection.
        region: Whose gateway this is.
    """

    def __init__(self, link: Link, region: str) -> None:
        self._link = link
        self._prefix = present(region)
        self.node = secrets.token_hex(6)
        self._mine: dict[tuple[str, str], tuple[Member, float]] = {}  # and when the stream was told
        self._tasks: set[asyncio.Task[None]] = set()
        self._tail: dict[tuple[str, str], asyncio.Task[None]] = {}  # what is being said of a member

    def __len__(self) -> int:
        return len(self._mine)

    async def beat(self) -> None:
        """Renew this gateway's lease.

        Raises:
            BrokerError: It was not renewed.
        """
        await self._say(f"{self._prefix}.n.{self.node}", b"{}", LEASE_S)

    def join(self, channel: str, member: Member) -> None:
        """Say that this client is present; said again within a third of `LIFE_S` it costs nothing."""
        key = (channel, member.client)
        known = self._mine.get(key)
        now = time.monotonic()
        if known is not None and known[0] == member and now - known[1] < LIFE_S / 3:
            return
        self._mine[key] = (member, now)
        self._tell(key, _written(member), LIFE_S)

    def leave(self, channel: str, client: str) -> None:
        """Say that it is not."""
        key = (channel, client)
        if self._mine.pop(key, None) is not None:
            self._tell(key, b"", GONE_S)

    def again(self) -> None:
        """Say everything again: the stream may have lost it."""
        now = time.monotonic()
        for key, (member, _) in list(self._mine.items()):
            self._mine[key] = (member, now)
            self._tell(key, _written(member), LIFE_S)

    async def members(self, channel: str) -> tuple[Member, ...]:
        """Return who is present, longest first.

        Raises:
            BrokerError: NATS does not answer.
        """
        said = [task for (name, _), task in self._tail.items() if name == channel]
        if said:
            await asyncio.wait(said)
        leases = await self._all(f"{self._prefix}.n.*")
        alive = {_subject(message).rpartition(".")[2] for message in leases} | {self.node}
        found = []
        for message in await self._all(f"{self._prefix}.m.{token(channel)}.*.*"):
            node = _subject(message).split(".")[-2]
            if message.data and node in alive:
                found.append(_read(message.data))
        return tuple(sorted(found, key=lambda member: (member.since, member.client)))

    async def stop(self) -> None:
        """Take this gateway's lease and members back, as far as the connection stands."""
        for key in list(self._mine):
            self.leave(*key)
        try:
            async with asyncio.timeout(2):
                await asyncio.gather(*self._tail.values(), return_exceptions=True)
                await self._say(f"{self._prefix}.n.{self.node}", b"", GONE_S)
        except (BrokerError, TimeoutError):
            pass
        for task in list(self._tasks):
            task.cancel()

    def _tell(self, key: tuple[str, str], body: bytes, life_s: int) -> None:
        before = self._tail.get(key)
        task = asyncio.get_running_loop().create_task(self._told(key, body, life_s, before))
        self._tail[key] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(key, done))

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._tail.get(key) is task:
            del self._tail[key]

    async def _told(self, key: tuple[str, str], body: bytes, life_s: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        channel, client = key
        try:
            await self._say(f"{self._prefix}.m.{token(channel)}.{self.node}.{token(client)}", body, life_s)
        except BrokerError:  # said again when the connection is back
            if key in self._mine:
                self._mine[key] = (self._mine[key][0], float("-inf"))

    async def _say(self, subject: str, body: bytes, life_s: int) -> None:
        answer = await self._link.request(subject, body, {"Nats-TTL": f"{life_s}s"})
        error = json.loads(answer.data).get("error")
        if error:
            raise BrokerError("unavailable", f"JetStream refused who is present: {error.get('description')}")

    async def _all(self, subjects: str) -> list[Msg]:
        found: list[Msg] = []
        start, more = 1, 1
        while more:
            asked = {"seq": start, "next_by_subj": subjects, "batch": PAGE}
            messages, more = await self._link.batch(PRESENCE, asked)
            if not messages:
                break
            found += messages
            start = int((messages[-1].headers or {})["Nats-Sequence"]) + 1
        return found


def _subject(message: Msg) -> str:
    return str((message.headers or {})["Nats-Subject"])


def _written(member: Member) -> bytes:
    return json.dumps([member.client, member.user, member.since]).encode()


def _read(data: bytes) -> Member:
    client, user, since = json.loads(data)
    return Member(client, user, since)
