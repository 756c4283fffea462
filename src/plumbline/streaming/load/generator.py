"""`python -m plumbline.streaming.load.generator FD`: one process of the generator, ruled over a socket pair.

When the other end of the pair closes, for whatever reason and `kill -9` too, the process ends and takes all of its
connections with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import asdict
from typing import Any

from plumbline.streaming.load.acts import Acts
from plumbline.streaming.load.crew import Crew
from plumbline.streaming.load.latency import peaks
from plumbline.streaming.load.letters import Letters, pack
from plumbline.streaming.load.opening import Door, descriptors
from plumbline.streaming.load.plan import Plan
from plumbline.streaming.load.scenario import Scenario
from plumbline.streaming.load.targets import Place

TICK_S = 1.0
LOOK_S = 0.05
HEARTBEAT_S = 25.0  # of dialects whose client has to ping
COLLECT_AFTER = 200_000  # allocations; the default of 700 would walk through all connections again and again


class Generator:
    """One process.

    Args:
        pair: Our end of the socket pair.
    """

    def __init__(self, pair: socket.socket) -> None:
        self._pair = pair
        self._crew: Crew | None = None
        self._acts: Acts | None = None
        self._lag_s = 0.0
        self._peak = -1  # latency of the newest delivery of a message that may not be complete
        self._tasks: list[asyncio.Task[None]] = []
        self._sending = asyncio.Lock()
        self._told = asyncio.Event()  # the run waits for what is now

    async def run(self) -> None:
        """Do what is asked, until the other end closes."""
        loop = asyncio.get_running_loop()
        letters = Letters()
        with contextlib.suppress(ConnectionError):
            while piece := await loop.sock_recv(self._pair, 1 << 16):
                for letter in letters.feed(piece):
                    await self._do(letter)

    async def _do(self, letter: dict[str, Any]) -> None:
        match letter["do"]:
            case "prepare":
                self._prepare(letter)
            case "phase":
                assert self._acts is not None  # noqa: S101 - prepared before
                index = letter["index"]
                gc.collect()
                gc.freeze()  # connections stay: the collector need not walk through them again
                self._acts.begin(index, self._plan.scenario.phases[index], letter["start"])
            case "heads":
                assert self._acts is not None  # noqa: S101 - prepared before
                self._acts.end()
                await self._calm(letter["until"])
                await self._send({"heads_unsent": {"heads": self._crew_of().heads.last, "unsent": self._unsent()}})
            case "settle":
                await self._settle(letter["heads"], letter["until"])
            case "end":
                await self._crew_of().stop()
                await self._send({"ended": True})

    def _prepare(self, letter: dict[str, Any]) -> None:
        scenario = Scenario.model_validate(letter["scenario"])
        self._plan = Plan(scenario, letter["run"])
        process, processes = letter["process"], letter["processes"]
        places = [Place(**one) for one in letter["places"]]
        token = os.environ.get(letter["token_env"]) if letter["token_env"] else None
        from plumbline.streaming.load.dialects import DIALECTS

        door = Door(places, letter["sources"], DIALECTS[scenario.dialect].subprotocol, token, letter["authority"])
        roles = self._plan.roles(process, processes)
        self._crew = Crew(scenario.dialect, roles, door, scenario.reconnect_s, scenario.seed + process)
        self._crew.complete = self._complete_now
        self._acts = Acts(self._crew, self._plan, process, processes)
        self._tasks += [asyncio.create_task(one) for one in (self._tick(), self._watch(), self._beat())]

    def _crew_of(self) -> Crew:
        assert self._crew is not None  # noqa: S101 - prepared before
        return self._crew

    def _complete_now(self) -> None:
        """Tell the run at once if it waits for the last connection."""
        if self._plan.scenario.phases[self._crew_of().phase].until_connected:
            self._told.set()

    def _unsent(self) -> int:
        return sum(link.unsent + len(link.pending) for link in self._crew_of().publishers)

    async def _calm(self, until: float) -> None:
        """Wait for answers to what was published: only then it is known what readers must get."""
        while self._unsent() and time.monotonic() < until:  # noqa: ASYNC110 - a rare look is cheaper than an event a message
            await asyncio.sleep(LOOK_S)

    async def _settle(self, heads: dict[str, dict[str, int]], until: float) -> None:
        """Wait for what is on its way, then close the accounts."""
        crew = self._crew_of()
        while crew.behind(heads) and time.monotonic() < until:  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_S)
        usual, slow = crew.totals(heads)
        await self._send(self._state())
        await self._send({"settled": {"usual": asdict(usual), "slow": asdict(slow)}})

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(loop.time() + TICK_S):
                    await self._told.wait()
            self._told.clear()
            self._crew_of().sweep()
            await self._send(self._state())
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    task.result()

    async def _watch(self) -> None:
        """Measure how late this loop is: a generator that cannot keep up measures itself."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self._lag_s = max(self._lag_s, loop.time() - due)

    async def _beat(self) -> None:
        """Ping where the dialect leaves that to the client; spread over the interval."""
        crew = self._crew_of()
        beat = crew.dialect.heartbeat()
        slices = 25
        step = 0
        while beat:
            await asyncio.sleep(HEARTBEAT_S / slices)
            for link in crew.links[step % slices :: slices]:
                link.say(beat)
            step += 1

    def _state(self) -> dict[str, Any]:
        crew = self._crew_of()
        crew.uptime.advance(time.monotonic())
        for kind, table in (("delivery", crew.deliveries), ("slow", crew.slow_deliveries)):
            for phase, values in table.items():
                crew.recorder.series(phase, kind).extend(values)
                self._complete(phase, kind, values)
                values.clear()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        state = {
            "at": time.monotonic(),
            "pid": os.getpid(),
            "up": crew.up,
            "links": len(crew.links),
            "published": crew.published,
            "taken": crew.heads.taken,
            "refused": dict(crew.heads.refused),
            "refusals": dict(crew.refusals),
            "ended": dict(crew.ended),
            "counts": crew.counts.as_dict(),
            "unsent": self._unsent(),
            "up_s": crew.uptime.up_s,
            "wanted_s": crew.uptime.wanted_s,
            "lag_s": self._lag_s,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "descriptors": descriptors(),
            "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "series": crew.recorder.take(),
        }
        self._lag_s = 0.0
        return {"state": state}

    def _complete(self, phase: int, kind: str, values: list[int]) -> None:
        """Note when messages had reached their last reader, where the phase asks for it."""
        if kind == "delivery" and self._plan.scenario.phases[phase].completion:
            done, self._peak = peaks(values, self._peak)
            if not values and self._peak >= 0:  # a second without deliveries: the last message is complete
                done, self._peak = [self._peak], -1
            for latency in done:
                self._crew_of().recorder.note(phase, "completion", latency)

    async def _send(self, letter: dict[str, Any]) -> None:
        async with self._sending:
            await asyncio.get_running_loop().sock_sendall(self._pair, pack(letter))


def main() -> None:
    """Run until the other end of the socket pair closes."""
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run: it wants our last figures
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.set_threshold(COLLECT_AFTER, 50, 1000)
    pair = socket.socket(fileno=int(sys.argv[1]))
    pair.setblocking(False)
    uvloop.run(Generator(pair).run())


if __name__ == "__main__":
    main()
