"""Runs: joined when they are the same, limited in number and rate, cancellable, and readable from any event on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from plumbline.web.errors import Refusal
from plumbline.web.runs import Event, Judge, Runs

pytestmark = pytest.mark.timeout(20)


class Gate:
    """A judge that reports one event, then waits to be let go or cancelled."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls: list[tuple[tuple[str, ...], str]] = []

    def __call__(
        self, ids: tuple[str, ...], target: str, report: Callable[[Event], None], cancel: threading.Event
    ) -> None:
        self.calls.append((ids, target))
        report({"event": "run.started", "ids": list(ids), "target": target})
        while not self.open.wait(0.005) and not cancel.is_set():
            pass
        report({"event": "run.finished", "report": {"cancelled": cancel.is_set()}})


def runs_of(judge: Judge, **limits: Any) -> Runs:
    return Runs(judge, **({"active": 2, "per_minute": 10, "kept": 3} | limits))


async def events_of(runs: Runs, run: Any, after: int = 0) -> list[tuple[int, str]]:
    return [(item[0], item[1]["event"]) async for item in runs.follow(run, after) if item]


def test_a_run_tells_its_events_in_order_and_ends() -> None:
    async def scenario() -> None:
        gate = Gate()
        runs = runs_of(gate)
        run, joined = runs.start(("host.a",), "lab")
        gate.open.set()
        assert not joined
        assert await events_of(runs, run) == [(1, "run.started"), (2, "run.finished")]
        assert run.report == {"cancelled": False}

    asyncio.run(scenario())


def test_a_reader_that_comes_back_gets_only_what_it_missed() -> None:
    async def scenario() -> None:
        gate = Gate()
        gate.open.set()
        runs = runs_of(gate)
        run, _ = runs.start((), "lab")
        await events_of(runs, run)
        assert await events_of(runs, run, after=1) == [(2, "run.finished")]

    asyncio.run(scenario())


def test_the_same_run_is_joined_and_another_target_is_not() -> None:
    async def scenario() -> None:
        gate = Gate()
        runs = runs_of(gate)
        first, _ = runs.start(("host.a",), "lab")
        again, joined = runs.start(("host.a",), "lab")
        other, _ = runs.start(("host.a",), "mine")
        gate.open.set()
        await runs.close()
        assert joined
        assert again is first
        assert other is not first
        assert len(gate.calls) == 2

    asyncio.run(scenario())


def test_more_runs_than_may_be_active_are_refused_with_a_time_to_wait() -> None:
    async def scenario() -> None:
        gate = Gate()
        runs = runs_of(gate, active=1)
        runs.start(("host.a",), "lab")
        with pytest.raises(Refusal) as refused:
            runs.start(("host.b",), "lab")
        assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (429, "busy", 1)
        gate.open.set()
        await runs.close()

    asyncio.run(scenario())


def test_starts_are_limited_per_minute_and_allowed_again_afterwards() -> None:
    async def scenario() -> None:
        now = [0.0]
        gate = Gate()
        gate.open.set()
        runs = runs_of(gate, per_minute=2, clock=lambda: now[0])
        for target in ("a", "b"):
            run, _ = runs.start((), target)
            await events_of(runs, run)
        with pytest.raises(Refusal) as refused:
            runs.start((), "c")
        assert refused.value.code == "rate"
        assert refused.value.retry_after_s == 60
        now[0] = 60.0
        run, _ = runs.start((), "c")
        assert await events_of(runs, run)

    asyncio.run(scenario())


def test_a_cancelled_run_ends_and_is_not_joined_any_more() -> None:
    async def scenario() -> None:
        runs = runs_of(Gate())
        run, _ = runs.start(("host.a",), "lab")
        run.cancel.set()
        again, joined = runs.start(("host.a",), "lab")
        again.cancel.set()
        assert not joined
        await events_of(runs, run)
        assert run.report == {"cancelled": True}
        await runs.close()

    asyncio.run(scenario())


def test_a_judge_that_breaks_off_ends_the_run_with_its_sentence() -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("no workers")

    async def scenario() -> None:
        runs = runs_of(breaks)
        run, _ = runs.start((), "lab")
        assert await events_of(runs, run) == [(1, "run.failed")]
        assert run.events[0]["sentence"] == "the run broke off: no workers"
        assert run.report is None

    asyncio.run(scenario())


def test_only_the_last_finished_runs_are_kept() -> None:
    async def scenario() -> None:
        gate = Gate()
        gate.open.set()
        runs = runs_of(gate, kept=2)
        started = []
        for number in range(4):
            run, _ = runs.start((), f"t{number}")
            await events_of(runs, run)
            started.append(run)
        with pytest.raises(Refusal) as refused:
            runs.get(started[0].id)
        assert refused.value.status == 404
        assert runs.get(started[-1].id) is started[-1]

    asyncio.run(scenario())
