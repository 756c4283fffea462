"""The generator's processes, as the run sees them: started, told what to do, heard, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from plumbline.streaming.load.letters import Letters, pack
from plumbline.streaming.load.scenario import Scenario
from plumbline.streaming.load.targets import Place

LAST_S = 1.0  # for deliveries after the last answer, even when waiting for answers took all of the time
PATIENCE_S = 30.0  # for an answer that needs no waiting
State = dict[str, Any]


class Process:
    """One generator process.

    Args:
        heard: Called with each of its states.
    """

    def __init__(self, heard: Callable[[Process, State], None]) -> None:
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        with theirs:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "plumbline.streaming.load.generator", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
            )
        ours.setblocking(False)
        self._pair = ours
        self._heard = heard
        self.last: State | None = None
        self.answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.dead = False
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        letters = Letters()
        with contextlib.suppress(ConnectionError):
            while piece := await loop.sock_recv(self._pair, 1 << 18):
                for letter in letters.feed(piece):
                    if "state" in letter:
                        self.last = letter["state"]
                        self._heard(self, letter["state"])
                    else:
                        self.answers.put_nowait(letter)
        self.dead = True
        self.answers.put_nowait({})

    async def tell(self, **letter: Any) -> None:
        """Send an order; a process that is gone hears nothing."""
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._pair, pack(letter))

    async def answer(self, key: str, patience_s: float) -> Any:
        """Return the answer of this kind; None if the process died or is too slow."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not self.dead or not self.answers.empty():
                    letter = await self.answers.get()
                    if key in letter:
                        return letter[key]
        return None

    @property
    def complaint(self) -> str:
        """The last line that it wrote to standard error; empty if there is none."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace").strip().rpartition("\n")[2]

    def close(self) -> None:
        """End it: the closed socket pair tells it to."""
        self._reader.cancel()
        self._pair.close()
        self._log.close()
        try:
            self.child.wait(5.0)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Fleet:
    """All generator processes.

    Args:
        number: How many.
        heard: Called with each state, as it comes.
    """

    def __init__(self, number: int, heard: Callable[[Process, State], None]) -> None:
        self.processes = [Process(heard) for _ in range(number)]

    @property
    def pids(self) -> list[int]:
        """Process ids."""
        return [process.child.pid for process in self.processes]

    @property
    def lost(self) -> int:
        """Processes that died during the run."""
        return sum(process.dead for process in self.processes)

    def sum(self, key: str) -> float:
        """Add a figure up over the last states."""
        return float(sum(process.last[key] for process in self.processes if process.last))

    async def prepare(
        self,
        scenario: Scenario,
        places: list[Place],
        sources: tuple[str, ...],
        run: str,
        token_env: str | None,
        authority: str | None,
    ) -> None:
        """Tell each its share."""
        for index, process in enumerate(self.processes):
            await process.tell(
                do="prepare",
                scenario=scenario.model_dump(),
                places=[asdict(place) for place in places],
                sources=sources,
                run=run,
                token_env=token_env,
                authority=authority,
                process=index,
                processes=len(self.processes),
            )

    async def phase(self, index: int, start: float) -> None:
        """Begin a phase in all of them."""
        for process in self.processes:
            await process.tell(do="phase", index=index, start=start)

    async def settle(self, seconds: float, clock: Callable[[], float]) -> tuple[list[dict[str, Any]], int]:
        """Stop publishing, wait for what is on its way, and return each process's accounts and what was never sent."""
        until = clock() + seconds
        for process in self.processes:
            await process.tell(do="heads", until=until)
        told = [await process.answer("heads_unsent", seconds + PATIENCE_S) for process in self.processes]
        heads: dict[str, dict[str, int]] = {}
        for answer in told:
            for channel, epochs in (answer or {"heads": {}})["heads"].items():
                mine = heads.setdefault(channel, {})
                for epoch, last in epochs.items():
                    mine[epoch] = max(last, mine.get(epoch, 0))
        for process in self.processes:
            await process.tell(do="settle", heads=heads, until=max(until, clock() + LAST_S))
        settled = [await process.answer("settled", seconds + PATIENCE_S) for process in self.processes]
        return [one for one in settled if one], sum((answer or {"unsent": 0})["unsent"] for answer in told)

    async def end(self) -> None:
        """Close all connections, then all processes."""
        for process in self.processes:
            await process.tell(do="end")
        for process in self.processes:
            await process.answer("ended", 5.0)
        for process in self.processes:
            process.close()
