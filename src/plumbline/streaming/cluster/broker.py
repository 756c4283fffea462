"""The broker of a cluster: order, history and presence kept by NATS JetStream, fan-out between gateways by NATS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from plumbline.streaming.cluster.ahead import caught_up
from plumbline.streaming.cluster.attended import AttendedChannels
from plumbline.streaming.cluster.blocks import Head
from plumbline.streaming.cluster.kept import Kept, past_of
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.presence import BEAT_S, Presence
from plumbline.streaming.cluster.reading import heads, kept_of
from plumbline.streaming.cluster.regions import CONTROL
from plumbline.streaming.cluster.shared import SharedReads
from plumbline.streaming.cluster.standing import Standing
from plumbline.streaming.cluster.streams import Copy, presence_ready, ready
from plumbline.streaming.cluster.subjects import live
from plumbline.streaming.cluster.tasks import Tasks
from plumbline.streaming.cluster.upkeep import sing, touch
from plumbline.streaming.cluster.where import ClusterOptions, compare_history, fitting
from plumbline.streaming.cluster.writer import Writer
from plumbline.streaming.core.broker import BrokerError, Member, Past, Position, Receiver
from plumbline.streaming.core.history import Bounds
from plumbline.streaming.core.rules import Resolved
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log

__all__ = ["ClusterOptions", "NatsBroker"]

CHECK_S = 5.0  # between two looks at the copy: is it still the one that was attached to?
BACK_S = 0.5  # between two attempts after the connection came back, until JetStream has the stream again


class NatsBroker:
    """Keeps channels in NATS.

    Args:
        options: Where the cluster is.
        settings: Bounds of history, and the channels' rules.
    """

    def __init__(self, options: ClusterOptions, settings: Settings) -> None:
        self.options = options
        self.link = Link(
            list(options.servers),
            access=options.access,
            name="plumbline gateway",
            lost=lambda: self._standing.lost(self._now()),
            back=self._back,
        )
        self.receiver: Receiver
        self._standing = Standing(self.link, options)
        self._rules: Resolved
        self.configure(settings)
        self._writer = Writer(self.link, self.where, self.epoch)
        self._attended = AttendedChannels(self)
        self._presence = Presence(self.link, options.region)
        self._reads: SharedReads[str, Kept | None] = SharedReads(partial(kept_of, self.link))
        self._tasks = Tasks()
        self._coming_back: asyncio.Task[None] | None = None
        self._stopped = False

    def configure(self, settings: Settings) -> None:
        """Take over changed settings: what is read of a channel's history."""
        self._settings, self._rules = settings, settings.rules()

    async def start(self, receiver: Receiver) -> None:
        """Connect, and find or make the stream.

        Raises:
            BrokerError: One sentence says what is missing.
        """
        self.receiver = receiver
        await self.link.open()
        try:
            copy = await ready(self.link, self.options.region, fitting(self.options.limits, self._settings))
            compare_history(copy, self._settings)
            await presence_ready(self.link, self.options.region)
            await self._presence.beat()
            await self._standing.take(copy, self._now())
            await self.link.subscribe(CONTROL, self._told)
        except BrokerError:
            await self.link.close()
            raise
        self._tasks.do(self._every(CHECK_S, self._check))
        self._tasks.do(self._every(BEAT_S, self._presence.beat))

    async def stop(self) -> None:
        """Give everything back; what was asked is answered `unavailable`."""
        if self._stopped:
            return
        self._stopped = True
        await self._tasks.stop()
        await self._writer.stop()
        await self._attended.stop()
        if self.link.up:
            await self._presence.stop()
        await self.link.close()

    def attach(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Send me what is published in this channel."""
        if (no := self._no()) is not None:
            done(no)
        else:
            self._attended.attach(channel, done)

    def detach(self, channel: str) -> None:
        """Send me no more of it."""
        self._attended.detach(channel)

    def publish(
        self, channel: str, data: bytes, key: str | None, done: Callable[[Position | BrokerError], None]
    ) -> None:
        """Store JSON text as the channel's next message."""
        if (no := self._no()) is not None:
            done(no)
        elif len(data) > self._most():
            done(BrokerError("too-large", f"the cluster takes messages of at most {self._most()} bytes"))
        else:
            self._writer.put(channel, data, key, done)

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Return the messages after `since`, or the newest `limit` ones if it is None."""
        self._answer(self._past(channel, since, limit, part=part), done)

    def head(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Return where the channel stands in this region's copy."""
        self._answer(self._head(channel), done)

    def join(self, channel: str, member: Member) -> None:
        """Note that this client is present."""
        if not self._stopped:
            self._presence.join(channel, member)

    def leave(self, channel: str, client: str) -> None:
        """Note that it is not."""
        if not self._stopped:
            self._presence.leave(channel, client)

    def members(self, channel: str, done: Callable[[tuple[Member, ...] | BrokerError], None]) -> None:
        """Return who is present in this region, longest first."""
        self._answer(self._presence.members(channel), done)

    def stats(self) -> dict[str, Any]:
        """Return what the broker counts, as plain JSON values."""
        return {
            "broker": "nats",
            "connected": self.link.up,
            "reconnects": self.link.reconnects,
            "attached": len(self._attended),
            "present": len(self._presence),
            "copy_silent_s": self._standing.silent_s(self._now()),
            "reads": self._reads.reads,
            "reads_shared": self._reads.shared,
            **{f"publish_{name}": count for name, count in self._writer.counts.items()},
            **{f"live_{name}": count for name, count in self._attended.counts.items()},
        }

    @property
    def copy(self) -> Copy | None:
        """This region's copy, once it was looked at."""
        return self._standing.copy

    @property
    def fenced(self) -> str | None:
        """Why this region's copy must not be used; None if it may."""
        return self._standing.fenced

    def gone_s(self) -> float | None:
        """Return for how long, in seconds, nothing can be had here that another region may have; None: it is here."""
        return self._standing.gone_s(self._now())

    def where(self) -> Copy:
        """Return this region's copy as it is known.

        Raises:
            BrokerError: It must not be used.
        """
        return self._standing.where()

    def live_subject(self) -> str:
        """Return the prefix of subjects under which this region's copy repeats its messages."""
        return live(self.options.region)

    def epoch(self, birth: str) -> str:
        """Return the epoch of a channel with this birth."""
        return f"{birth}-{self.copy.generation if self.copy else 0}"

    def note(self, channel: str, head: Head) -> None:
        """Tell the writer where a channel stands, as this region's copy says."""
        self._writer.note(channel, head)

    async def born(self, channel: str) -> Head:
        """Make a channel begin that is not in the stream."""
        return await self._writer.born(channel)

    async def kept(self, channel: str) -> Kept | None:
        """Return all that is kept of a channel."""
        return await self._reads.read(channel)

    def _no(self) -> BrokerError | None:
        if self._stopped:
            return BrokerError("unavailable", "the gateway stops; try again in 1 s")
        return BrokerError("unavailable", self.fenced) if self.fenced is not None else None

    def _most(self) -> int:
        return int(self.link.nats.max_payload) - 1024  # headers count too

    async def _past(self, channel: str, since: Position | None, limit: int, *, part: bool) -> Past:
        copy = self.where()
        kept = await self._reads.read(channel)
        if kept is None:
            head = await self._writer.born(channel)
            kept = Kept(head.birth, head.offset)
        if copy.mirror and since is not None and since.epoch == self.epoch(kept.birth) and since.offset > kept.offset:
            await caught_up(self.link, copy, channel, kept, since.offset)
            kept = await self._reads.read(channel) or kept
        bounds = Bounds.of(self._rules.of(channel))
        return past_of(kept, self.epoch(kept.birth), since, limit, bounds, time.time(), part=part)

    async def _head(self, channel: str) -> Position:
        self.where()
        found = (await heads(self.link, [channel])).get(channel)
        head = found or await self._writer.born(channel)
        return Position(self.epoch(head.birth), head.offset)

    def _answer(self, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> None:
        if (no := self._no()) is not None:
            work.close()
            done(no)
        else:
            self._tasks.answer(work, done)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(BrokerError):  # the next time, or when the connection is back
                await work()

    async def _told(self, _: object) -> None:
        """Look at once: somebody changed the regions."""
        with contextlib.suppress(BrokerError):
            await self._check()

    async def _check(self) -> None:
        """See that the copy is still the one that positions were read from, and that it may be used."""
        copy, same = await self._standing.look(self._now())
        if not same:
            log.event(logging.WARNING, "region changed", region=copy.region, home=copy.home, term=copy.term)
            self._interrupted(self.fenced or "the region's copy has changed")
        elif not copy.mirror and not copy.sealed:
            await sing(self.link, copy, self._presence.node)
            await touch(self._attended, self._writer, copy, self._now())

    def _back(self) -> None:
        if self._coming_back is None or self._coming_back.done():
            self._coming_back = self._tasks.do(self._return())

    async def _return(self) -> None:
        """After the connection came back: wait until the stream is there, then let all be attached anew."""
        self._attended.interrupt()
        while not self._stopped:
            try:
                await presence_ready(self.link, self.options.region)
                await self._presence.beat()
                await self._standing.look(self._now())
                break
            except BrokerError:
                await asyncio.sleep(BACK_S)
        self._standing.found(self._now())
        self._presence.again()
        self._interrupted("the connection to the cluster was lost, and is back")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _interrupted(self, because: str) -> None:
        self._writer.forget()
        self._attended.interrupt()
        self.receiver.interrupted(None, because)
