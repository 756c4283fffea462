"""What a phase makes the crew do."""

from __future__ import annotations

import asyncio
import random
from itertools import cycle
from typing import Any

from plumbline.streaming.load.crew import Crew
from plumbline.streaming.load.link import Link
from plumbline.streaming.load.plan import Plan
from plumbline.streaming.load.publisher import Publisher
from plumbline.streaming.load.pump import Action, Pump, Series, steady
from plumbline.streaming.load.scenario import Phase, Publish
from plumbline.streaming.load.schedule import due
from plumbline.streaming.load.stamp import SMALLEST, Stamp, write
from plumbline.streaming.load.wire import Stage

PILOTS = 8  # readers that a closed loop watches
LOOK_S = 0.001


class Acts:
    """Runs the phases of one generator process.

    Args:
        crew: Its connections.
        plan: Of the whole run.
        process: Which process this is.
        processes: How many there are.
    """

    def __init__(self, crew: Crew, plan: Plan, process: int, processes: int) -> None:
        self._crew = crew
        self._plan = plan
        self._part, self._parts = process, processes
        self._pump = Pump()
        self._chance = random.Random(plan.scenario.seed * 1000 + process)  # noqa: S311 - a choice of connections
        self._sleeping: list[Link] = []
        self._loops: list[asyncio.Task[None]] = []
        self._connecting = iter(crew.links)
        self._number = 0

    def begin(self, index: int, phase: Phase, start: float) -> None:
        """Begin a phase; the one before has ended.

        Args:
            index: Its number, which messages carry.
            phase: What is to be done.
            start: When it begins, in seconds of `time.monotonic()`.
        """
        self.end()
        self._crew.phase = index
        end = start + phase.seconds
        if phase.connect_per_s:
            self._pump.add(self._share(start, end, phase.connect_per_s), self._connect)
        for publish in phase.publish:
            self._publish(index, publish, start, end)
        if phase.requests_per_s:
            up = cycle(self._crew.readers)
            self._pump.add(self._share(start, end, phase.requests_per_s), lambda at, _: self._ask(index, up, at))
        if phase.churn_per_s:
            self._pump.add(self._share(start, end, phase.churn_per_s), self._churn)
        if phase.storm:
            storm = phase.storm
            self._pump.add(iter([(start + storm.at_s, (storm.share, storm.spread_s))]), self._storm)
        self._sleep(phase.slow_readers)

    def end(self) -> None:
        """End the phase: nothing is due any more, slow readers read again."""
        self._pump.clear()
        for task in self._loops:
            task.cancel()
        self._loops.clear()
        for link in self._sleeping:
            link.sleep(on=False)
        self._sleeping.clear()

    def _share(self, start: float, end: float, per_s: float) -> Series:
        return steady(start, end, per_s, part=self._part, parts=self._parts)

    def _connect(self, _due: float, _number: int) -> None:
        link = next(self._connecting, None)
        if link is not None:
            self._crew.connect(link)

    def _publish(self, index: int, publish: Publish, start: float, end: float) -> None:
        group = self._plan.groups[publish.group]
        for link in self._crew.publishers:
            if link.role.group != publish.group:
                continue
            self._crew.speaking = True
            if publish.window:
                self._loops.append(asyncio.get_running_loop().create_task(self._circle(index, link, publish, end)))
                continue
            seed = self._plan.scenario.seed * 100 + index if publish.arrivals == "random" else None
            times = due(
                start,
                end,
                publish.per_s,
                group.channels,
                part=link.role.part,
                parts=group.publishers,
                random_seed=seed,
            )
            names = [self._plan.channel(publish.group, number) for number in range(group.channels)]
            self._pump.add(((one.at, names[one.channel]) for one in times), _publishing(link, index, publish.bytes))

    async def _circle(self, index: int, link: Publisher, publish: Publish, end: float) -> None:
        """Keep `window` messages on their way, as the slowest of some readers sees it."""
        loop = asyncio.get_running_loop()
        channel = self._plan.channel(publish.group, link.role.part)
        readers = [one.reads[channel] for one in self._crew.readers if channel in one.reads]
        pilots = readers[:: max(1, len(readers) // PILOTS)]
        begun, arrived = link.sent, [pilot.delivered for pilot in pilots]
        started = now = loop.time()
        while pilots and now < end:
            got = min(pilot.delivered - was for pilot, was in zip(pilots, arrived, strict=True))
            room = publish.window - (link.sent + link.unsent - begun - got)
            allowed = int((now - started) * publish.per_s) + 1 - (link.sent - begun)
            for _ in range(min(room, allowed)):
                link.publish(channel, index, round(loop.time() * 1e6), publish.bytes)
            await asyncio.sleep(LOOK_S)
            now = loop.time()

    def _ask(self, index: int, readers: Any, at: float) -> None:
        """Let the next connection that is up ask."""
        for _ in range(len(self._crew.readers)):
            link: Link = next(readers)
            if link.stage == Stage.UP and not link.slow:
                self._number += 1
                self._crew.counts.requests += 1
                payload = write(Stamp(index, self._number, round(at * 1e6)), SMALLEST)
                link.say(self._crew.dialect.request(self._number, link.role.number, payload))
                return

    def _churn(self, _due: float, _number: int) -> None:
        for link in self._chance.sample(self._crew.readers, min(20, len(self._crew.readers))):
            if link.stage == Stage.UP and not link.slow:
                self._crew.send_off(link, 0.0)
                return

    def _storm(self, _due: float, what: tuple[float, float]) -> None:
        share, spread_s = what
        for link in self._chance.sample(self._crew.readers, round(share * len(self._crew.readers))):
            self._crew.send_off(link, self._chance.uniform(0, spread_s))

    def _sleep(self, number: int) -> None:
        """Put this process's share of the slow readers to sleep: always the first ones, so that phases agree."""
        mine = len(range(self._part, number, self._parts))
        self._sleeping = self._crew.readers[:mine]
        for link in self._sleeping:
            link.sleep(on=True)


def _publishing(link: Publisher, phase: int, size: int) -> Action:
    """Return what publishes one message of a series."""

    def publish(at: float, channel: str) -> None:
        link.publish(channel, phase, round(at * 1e6), size)

    return publish
