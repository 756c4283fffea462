"""Quick predictions at once, slow ones in threads, those who wait joined where it pays, and nobody beyond the room."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from plumbline.deployment.core.errors import DeploymentError, FullError
from plumbline.deployment.core.model import Table
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving.batching import Room, Runner
from plumbline.deployment.serving.pace import Pace


class Gated:
    """Answers twice its input; each prediction waits until the gate opens. Rows of 13 fail, alone or among others."""

    digest = "sha256:" + "0" * 64
    signature = Signature((Feature("x"),), (Output("y"),))

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.sizes: list[int] = []
        self.short = False

    def predict(self, inputs: Any) -> dict[str, Any]:
        self.gate.wait(20)
        values = inputs["x"]
        self.sizes.append(len(values))
        if (values == 13).any():
            raise DeploymentError("thirteen")
        return {"y": (values * 2)[self.short :]}

    def close(self) -> None:
        pass


def pace(fixed_s: float, per_row_s: float) -> Pace:
    made = Pace()
    for rows in (1, 16) * 20:
        made.note(rows, fixed_s + per_row_s * rows)
    return made


def rows(*values: float) -> Table:
    return Table(("x",), np.array(values, dtype=float).reshape(-1, 1))


def run(work: Any) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(20):
            return await work()

    return asyncio.run(within())


def runner(model: Gated, measured: Pace, **more: Any) -> Runner:
    given = {"batch_rows": 8} | more
    return Runner(model, ThreadPoolExecutor(4), given.pop("room", Room(100)), pace=measured, **given)


async def _all_waiting(one: Runner, count: int) -> None:
    while one.waiting < count:  # noqa: ASYNC110 - each turn of the loop lets one in
        await asyncio.sleep(0)


def test_the_line_of_a_pace_is_found_and_followed():
    measured = pace(0.004, 0.001)
    assert (measured.fixed_s, measured.per_row_s) == (pytest.approx(0.004), pytest.approx(0.001))
    assert measured.joins
    assert not pace(0.0001, 0.001).joins
    for _ in range(400):
        measured.note(1, 0.011)  # one size only: the slope stays, what is fixed follows
    assert (measured.expected_s(1), measured.per_row_s) == (
        pytest.approx(0.011, rel=1e-3),
        pytest.approx(0.001, rel=0.6),
    )
    fresh = Pace()
    fresh.note(1, 0.002)
    assert fresh.expected_s(1) == pytest.approx(0.002)


def test_a_quick_prediction_is_made_at_once():
    model = Gated()
    model.gate.set()
    assert runner(model, pace(1e-5, 1e-6)).at_once(rows(2), 1)["y"].tolist() == [4]
    assert runner(model, pace(1e-2, 1e-6)).at_once(rows(2), 1) is None
    assert runner(model, Pace()).at_once(rows(2), 1) is None


def test_who_waits_is_joined_and_each_gets_its_own_rows():
    model = Gated()

    async def work() -> list[Any]:
        one = runner(model, pace(0.01, 1e-5))
        tasks = [
            asyncio.create_task(one.later(rows(*values), len(values))) for values in ((1,), (2, 3), (4,), (5,) * 6)
        ]
        await _all_waiting(one, 3)
        assert one.at_once(rows(9), 1) is None
        model.gate.set()
        found = [(await task)["y"].tolist() for task in tasks]
        assert one.seen.joined == 1
        assert one.seen.sizes == {1: 1, 4: 1, 8: 1}
        return found

    assert run(work) == [[2], [4, 6], [8], [10] * 6]
    assert model.sizes == [1, 3, 6]  # the first went at once; 3 + 6 rows would be more than 8


def test_where_joining_does_not_pay_the_queue_is_served_one_by_one():
    model = Gated()

    async def work() -> None:
        one = runner(model, pace(0.0, 0.01))
        tasks = [asyncio.create_task(one.later(rows(value), 1)) for value in range(4)]
        await _all_waiting(one, 3)
        model.gate.set()
        await asyncio.gather(*tasks)

    run(work)
    assert model.sizes == [1, 1, 1, 1]


def test_one_callers_failure_is_not_the_others():
    model = Gated()

    async def work() -> list[Any]:
        one = runner(model, pace(0.01, 1e-5))
        tasks = [asyncio.create_task(one.later(rows(value), 1)) for value in (13, 1, 13, 2)]
        await _all_waiting(one, 3)
        model.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third, fourth = run(work)
    assert (str(first), str(third)) == ("thirteen", "thirteen")
    assert (second["y"].tolist(), fourth["y"].tolist()) == ([2], [4])


def test_beyond_the_room_callers_are_told_when_to_come_back_and_places_are_given_back():
    model, room = Gated(), Room(2)

    async def work() -> None:
        one = runner(model, pace(3.0, 1e-5), room=room)
        tasks = [asyncio.create_task(one.later(rows(value), 1)) for value in range(3)]
        await _all_waiting(one, 2)
        with pytest.raises(FullError, match="2 requests wait already") as refused:
            await one.later(rows(9), 1)
        assert refused.value.data["retry_after_s"] == 4
        tasks[2].cancel()
        model.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(work)
    assert room.waiting == 0
    assert sum(model.sizes) == 2  # whoever gave up was not predicted


def test_an_answer_with_other_rows_than_the_question_is_a_failure():
    model = Gated()
    model.short = True
    model.gate.set()
    with pytest.raises(DeploymentError, match="answered 1 values of 'y' to 2 rows"):
        runner(model, pace(1e-5, 1e-6)).at_once(rows(1, 2), 2)


def test_inputs_of_different_shapes_are_not_laid_under_each_other():
    model = Gated()

    async def work() -> None:
        one = runner(model, pace(0.01, 1e-5))
        shapes = [(1, 2), (1, 2), (1, 3)]
        first = asyncio.create_task(one.later({"x": np.zeros(1)}, 1))
        tasks = [asyncio.create_task(one.later({"x": np.zeros(shape)}, 1)) for shape in shapes]
        await _all_waiting(one, 3)
        model.gate.set()
        await asyncio.gather(first, *tasks)

    run(work)
    assert model.sizes == [1, 2, 1]
