"""A whole run: start the generator, go through the phases, strike, settle, report. Nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.load import faults, records
from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.fleet import Fleet, Process
from plumbline.streaming.load.ledger import Totals, total
from plumbline.streaming.load.opening import trust
from plumbline.streaming.load.plan import processes
from plumbline.streaming.load.records import Record, Second
from plumbline.streaming.load.sampling import Sampler, server_pids
from plumbline.streaming.load.scenario import Phase, Scenario
from plumbline.streaming.load.targets import place, sources
from plumbline.streaming.probes.adminclient import AdminError, ask

LEAD_S = 0.2  # between telling a phase and its start, so that all processes start it together
LOOK_S = 0.05
STALE_S = 2.5
NOBODY_S = 5.0  # of failures alone, after which there is nobody to wait for; a server may take a moment to start
QUICK_SETTLE_S = 1.0  # after Ctrl-C


@dataclass(frozen=True, slots=True)
class Options:
    """Where the load goes and what is watched.

    Args:
        urls: Servers; connections are dealt out over them, and fail over.
        own: Hosts beyond this machine that the user says are theirs.
        pids: Server processes to watch, with their children.
        admins: Admin sockets of gateways.
        faults: What to break when.
        processes: Generator processes, at least.
        token_env: Name of the environment variable with a bearer token.
        authority: File with the certificate authority of `wss` servers.
    """

    urls: tuple[str, ...]
    own: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    admins: tuple[str, ...] = ()
    faults: tuple[faults.Fault, ...] = ()
    processes: int = 1
    token_env: str | None = None
    authority: str | None = None


Watcher = Callable[[Second, dict[str, float]], None]
Turn = Callable[[str, bool], None]


class Run:
    """One run of a scenario.

    Args:
        scenario: What to do.
        options: Where.
        watch: Called once a second.
        turn: Called with a phase's name as it begins (True) and as it has ended (False).

    Raises:
        LoadError: The target is not to be loaded, or an option is wrong.
    """

    def __init__(
        self, scenario: Scenario, options: Options, watch: Watcher | None = None, turn: Turn | None = None
    ) -> None:
        if not options.urls:
            raise LoadError("there is no server to load; give a URL (ws://127.0.0.1:8765/), or --lab")
        self.scenario = scenario
        self.options = options
        self._places = [place(url, options.own) for url in options.urls]
        if options.token_env and options.token_env not in os.environ:
            raise LoadError(f"the environment has no variable {options.token_env}; export the token under that name")
        if any(one.tls for one in self._places):
            trust(options.authority)
        self._watch = watch or (lambda *_: None)
        self._turn = turn or (lambda *_: None)
        self._stop = asyncio.Event()
        self._phase = "start"
        self._stood = asyncio.Event()  # all connections stand, or did
        self._failed_at: float | None = None  # the first attempt that failed, while nobody has been connected

    def stop(self) -> None:
        """Cut the run short; what was measured so far is reported."""
        self._stop.set()

    async def __call__(self) -> dict[str, Any]:
        """Do it and return the report (`plumbline.load/1`)."""
        started = time.monotonic()
        self.record = Record(self.scenario, self.options.urls, time.time())
        number = processes(self.scenario, self.options.processes)
        self.fleet = Fleet(number, self._heard)
        self._started = started
        self._sampler = Sampler(
            lambda: server_pids(self.options.pids, self.options.admins),
            self.fleet.pids,
            self.options.admins,
            started,
        )
        background: list[asyncio.Task[None]] = []
        try:
            found = sources(self._places, self.scenario.connections + self.scenario.publishers)
            options = self.options
            run = f"load-{secrets.token_hex(4)}"
            await self.fleet.prepare(self.scenario, self._places, found, run, options.token_env, options.authority)
            background.append(asyncio.create_task(self._seconds()))
            background += [asyncio.create_task(self._strike(fault)) for fault in options.faults]
            await self._phases()
            interrupted = self._stop.is_set()
            longest = 0.0 if self._in_vain() else QUICK_SETTLE_S if interrupted else self.scenario.settle_s
            accounts, unsent = await self.fleet.settle(longest, time.monotonic)
            return self._report(accounts, unsent, interrupted=interrupted)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.fleet.end()

    async def _phases(self) -> None:
        for index, phase in enumerate(self.scenario.phases):
            if self._stop.is_set() or self._over():
                return
            start = time.monotonic() + LEAD_S
            self._phase = phase.name
            self._turn(phase.name, True)
            await self.fleet.phase(index, start)
            await self._last(phase, start)
            self._turn(phase.name, False)
            self.record.times.append((start - self._started, time.monotonic() - self._started))

    async def _last(self, phase: Phase, start: float) -> None:
        """Return when the phase is over."""
        while time.monotonic() < start + phase.seconds and not self._stop.is_set():
            if self._stands():
                self._stood.set()
                if phase.until_connected and time.monotonic() >= start + _at_least(phase):
                    return
            if self._over():
                return
            left = start + phase.seconds - time.monotonic()
            try:
                await asyncio.wait_for(self._stop.wait(), max(0.0, min(LOOK_S, left)))
            except TimeoutError:
                continue

    def _over(self) -> bool:
        return self.fleet.lost == len(self.fleet.processes) or self._in_vain()

    def _in_vain(self) -> bool:
        """Return True if attempts have failed for long enough, and nobody has ever been connected."""
        return self._failed_at is not None and time.monotonic() - self._failed_at >= NOBODY_S

    def _stands(self) -> bool:
        states = [process.last for process in self.fleet.processes]
        return all(state is not None and state["up"] >= state["links"] for state in states)

    def _heard(self, _process: Process, state: dict[str, Any]) -> None:
        self.record.heard(state)
        if not records.nobody([process.last for process in self.fleet.processes if process.last]):
            self._failed_at = None
        elif self._failed_at is None:
            self._failed_at = time.monotonic()

    async def _seconds(self) -> None:
        """Close a second, sample the server, tell whoever watches."""
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            at = max(at + 1.0, loop.time())
            await asyncio.sleep(at - loop.time())
            self.record.samples.append(await asyncio.to_thread(self._sampler.take))
            keys = ("up", "links", "published", "taken", "unsent", "up_s", "wanted_s")
            totals = {key: self.fleet.sum(key) for key in keys}
            counts = [process.last["counts"] for process in self.fleet.processes if process.last]
            totals["requests"] = sum(one["answers"] for one in counts)
            totals["closes"] = sum(sum(one["closes"].values()) for one in counts)
            totals["failures"] = sum(sum(one["failures"].values()) for one in counts)
            self._watch(self.record.second(time.monotonic() - self._started, self._phase, totals), totals)

    async def _strike(self, fault: faults.Fault) -> None:
        """Wait until all connections have stood for `at_s`, then let it happen."""
        await self._stood.wait()
        await asyncio.sleep(fault.at_s)
        at = time.monotonic() - self._started
        self.record.faults.append({"at_s": round(at, 2), **await faults.strike(fault, self.options.admins)})

    def _report(self, accounts: Sequence[dict[str, Any]], unsent: int, *, interrupted: bool) -> dict[str, Any]:
        usual = total([Totals(**one["usual"]) for one in accounts])
        slow = total([Totals(**one["slow"]) for one in accounts])
        end = records.End(
            states=[process.last for process in self.fleet.processes if process.last],
            accounts=(usual, slow),
            unsent=unsent,
            interrupted=interrupted,
            complaints=[process.complaint for process in self.fleet.processes if process.dead],
            queue_limit_bytes=self._queue_limit(),
            lasted_s=time.monotonic() - self._started,
        )
        return records.report(self.record, end)

    def _queue_limit(self) -> int:
        for admin in self.options.admins:
            try:
                return int(ask(admin, {"get": "settings"}, timeout_s=1.0)["queue_max_bytes"])
            except (AdminError, KeyError, TypeError, ValueError):
                continue
        return 0


def _at_least(phase: Phase) -> float:
    """Return how long a phase lasts even if all are connected: states are a second old, a storm is yet to come."""
    storm = phase.storm
    return storm.at_s + storm.spread_s + STALE_S if storm else 0.0


def run(scenario: Scenario, options: Options, watch: Watcher | None = None, turn: Turn | None = None) -> dict[str, Any]:
    """Run a scenario to its end and return the report, from a program without an event loop.

    Raises:
        LoadError: The target is not to be loaded, or an option is wrong.
    """

    async def whole() -> dict[str, Any]:
        return await Run(scenario, options, watch, turn)()

    return asyncio.run(whole())
