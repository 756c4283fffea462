"""All connections of one generator process: who is up, who comes back when, and what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from plumbline.streaming.load import opening
from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.dialects.base import Event
from plumbline.streaming.load.latency import Recorder
from plumbline.streaming.load.ledger import Heads, Totals
from plumbline.streaming.load.link import Link
from plumbline.streaming.load.plan import Role
from plumbline.streaming.load.publisher import Publisher
from plumbline.streaming.load.stamp import Stamp
from plumbline.streaming.load.uptime import Uptime
from plumbline.streaming.load.wire import Stage

MEMO = 2048  # payloads that are remembered as decoded
CONNECT_S = 30.0  # an attempt that takes longer is given up
LONGEST_PAUSE_S = 30.0  # between two attempts


@dataclass(slots=True)
class Counts:
    """What happened since the start of this process, as sums that the report adds up."""

    attempts: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    slow_closes: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    unrecovered: int = 0
    requests: int = 0
    answers: int = 0
    returns: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values by name (`dataclasses.asdict` would rebuild the counters wrongly)."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in values}


class Crew:
    """Connections of one process.

    Args:
        dialect: Name of what the servers speak.
        roles: The connections.
        door: Opens them.
        reconnect_s: Upper bound of the first random pause before coming back; it doubles with each failure.
        seed: Of the pauses.
    """

    def __init__(self, dialect: str, roles: Sequence[Role], door: opening.Door, reconnect_s: float, seed: int) -> None:
        self.dialect = DIALECTS[dialect]()
        self.version = 1
        self.recorder = Recorder()
        self.deliveries: defaultdict[int, list[int]] = defaultdict(list)
        self.slow_deliveries: defaultdict[int, list[int]] = defaultdict(list)
        self.memo: dict[bytes, list[Any]] = {}
        self.heads = Heads()
        self.counts = Counts()
        self.refusals: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.uptime = Uptime(time.monotonic())
        self.published = 0
        self.speaking = False  # something has been published
        self.phase = 0
        self.stopping = False
        self._door = door
        self._reconnect_s = reconnect_s
        self._chance = random.Random(seed)  # noqa: S311 - jitter is no secret
        self.links = [Publisher(self, role) if role.group else Link(self, role) for role in roles]
        self.readers = [link for link in self.links if not isinstance(link, Publisher)]
        self.publishers = [link for link in self.links if isinstance(link, Publisher)]
        self.complete: Callable[[], object] = lambda: None  # called whenever the last connection stands
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: set[Link] = set()

    @property
    def up(self) -> int:
        """Connections that are subscribed."""
        return self.uptime.up

    def opening(self, number: int, attempts: int) -> bytes:
        """Return the handshake of a connection."""
        return self._door.request(number, attempts)

    def connect(self, link: Link) -> None:
        """Begin to connect, unless it is on its way already."""
        if self.stopping or link.stage != Stage.AWAY:
            return
        link.stage = Stage.OPENING
        link.began_at = time.monotonic()
        self.counts.attempts += 1
        self._opening.add(link)
        task = asyncio.get_running_loop().create_task(self._open(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, link: Link) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._door.open(link)
        except OSError as error:  # TimeoutError is one
            self._failed(link, opening.name(error))

    def _failed(self, link: Link, why: str) -> None:
        self.counts.failures[why] += 1
        self._opening.discard(link)
        link.stage = Stage.AWAY
        self._come_back(link)

    def stands(self, link: Link) -> None:
        """A connection is subscribed."""
        now = time.monotonic()
        self._opening.discard(link)
        self.recorder.note(self.phase, "connect", round((now - link.began_at) * 1e6))
        was_wanted = link.wanted
        link.wanted = True
        self.uptime.change(now, up=1, wanted=0 if was_wanted else 1)
        if link.left_at is not None:
            self.recorder.note(self.phase, "reconnect", round((now - link.left_at) * 1e6))
            link.left_at = None
        if link.slow:
            link.sleep(on=True)
        if isinstance(link, Publisher):
            link.back()
        if self.uptime.up == len(self.links):
            self.complete()

    def gone(self, link: Link, code: str) -> None:
        """A connection ended, by whoever's will."""
        now = time.monotonic()
        was_up, link.stage = link.stage == Stage.UP, Stage.AWAY
        self._opening.discard(link)
        if self.stopping or link.leaving:
            return
        if was_up:
            self.uptime.change(now, up=-1)
            (self.counts.slow_closes if link.slow else self.counts.closes)[code] += 1
            link.left_at = now
        else:
            self.counts.failures[code] += 1
        self._come_back(link)

    def _come_back(self, link: Link) -> None:
        """Try again after a random pause of up to `reconnect_s`, doubled with every failure."""
        longest = min(LONGEST_PAUSE_S, self._reconnect_s * 2.0**link.attempts)
        link.attempts += 1
        asyncio.get_running_loop().call_later(self._chance.uniform(0, longest), self.connect, link)

    def asked_to_return(self, link: Link, after_s: float) -> None:
        """The server will close this connection and told when to come back."""
        self.counts.returns += 1
        asyncio.get_running_loop().call_later(after_s, self.send_off, link, 0.0, False)

    def send_off(self, link: Link, back_after_s: float, ours: bool = True) -> None:
        """Leave, and come back; the time until then counts against the server's uptime only if it was not `ours`."""
        if link.stage != Stage.UP or self.stopping:
            return
        now = time.monotonic()
        self.uptime.change(now, up=-1, wanted=-1 if ours else 0)
        link.wanted = not ours
        link.left_at = now + back_after_s
        link.leave()
        asyncio.get_running_loop().call_later(back_after_s, self._return, link)

    def _return(self, link: Link) -> None:
        if link.stage != Stage.AWAY:  # its end has not been noticed yet
            asyncio.get_running_loop().call_soon(self._return, link)
            return
        self.connect(link)

    def sweep(self) -> None:
        """Give up connections that were accepted and never completed."""
        now = time.monotonic()
        for link in [link for link in self._opening if now - link.began_at > CONNECT_S]:
            link.drop("timeout")

    def remember(self, payload: bytes, deliveries: list[Event]) -> None:
        """Keep what a payload says: the same bytes go to other connections too."""
        if len(self.memo) >= MEMO:
            self.memo.clear()
        self.memo[payload] = deliveries

    def answered(self, stamp: Stamp, now_us: int) -> None:
        """A request was answered."""
        self.counts.answers += 1
        self.recorder.note(stamp.phase, "request", now_us - stamp.due_us)

    def recovered(self, outcome: bool | None) -> None:
        """Count what the server said of a recovery."""
        if outcome is not None:
            self.counts.recovered += outcome
            self.counts.unrecovered += not outcome

    def totals(self, heads: dict[str, dict[str, int]]) -> tuple[Totals, Totals]:
        """Close all accounts: of the usual readers, and of those that were slow on purpose."""
        usual, slow = Totals(), Totals()
        for link in self.readers:
            for channel, reading in link.reads.items():
                (slow if link.was_slow else usual).add(reading.totals(heads.get(channel, {})))
        return usual, slow

    def behind(self, heads: dict[str, dict[str, int]]) -> bool:
        """Return True while a message is on its way to a usual reader."""
        return any(
            reading.behind(heads.get(channel, {}))
            for link in self.readers
            if not link.was_slow
            for channel, reading in link.reads.items()
        )

    async def stop(self) -> None:
        """Close everything."""
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        for link in self.links:
            link.leave()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
