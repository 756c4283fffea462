"""Models that answer NaN, break, hang or change: the caller is told, it is counted, and the server is not ready."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.core.manifest import Golden, Manifest
from plumbline.deployment.core.model import Table
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving.batching import Room, Runner
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.golden import Compared
from plumbline.deployment.serving.inferring import Answer, Asked, Inferring
from plumbline.deployment.serving.readiness import Probe
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slot, Slots
from plumbline.deployment.serving.source import Found
from plumbline.deployment.serving.tally import Tally

SIGNATURE = Signature((Feature("x"),), (Output("y"),))
DIGEST = "sha256:" + "a" * 64
BODY = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}'


class Moody:
    """Answers what it is told to."""

    digest = DIGEST
    signature = SIGNATURE

    def __init__(self) -> None:
        self.says = 2.0
        self.breaks = False
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, inputs: Any) -> dict[str, Any]:
        self.gate.wait(20)
        if self.breaks:
            raise RuntimeError("out of luck")
        return {"y": np.full(len(inputs["x"]), self.says)}

    def close(self) -> None:
        pass


def _served(model: Moody, room: int = 10) -> tuple[Slots, Slot, Inferring]:
    golden = Golden({"x": (1.0,)}, {"y": (2.0,)})
    found = Found("1.0.0", DIGEST, Manifest("m", "onnx", "m.onnx", (), SIGNATURE, golden))
    runner = Runner(model, ThreadPoolExecutor(2), Room(room), batch_rows=8)
    rows = (Table(("x",), np.ones((1, 1))), 1)
    slot = Slot(
        DIGEST, found, model, runner, Checker(SIGNATURE, 9), rows, Compared(True, 1, 0.0, "same"), Tally(SIGNATURE, {})
    )
    slots = Slots("m")
    slots.add(slot)
    return slots, slot, Inferring("m", slots, Recent(0), {})


async def _ready(slots: Slots, within_s: float = 20) -> tuple[bool, str]:
    found = await Probe(slots, within_s=within_s).server()
    return found.ready, found.as_dict().get("reason", "")


def test_nan_never_leaves_and_is_counted():
    async def work() -> None:
        model = Moody()
        slots, slot, inferring = _served(model)
        await slots.share({DIGEST: 1.0}, None, 1)
        assert (await inferring.answer(BODY, Asked())).status == 200
        for says in (float("nan"), float("inf")):
            model.says = says
            answer = await inferring.answer(BODY, Asked())
            assert (answer.status, answer.outcome, b'"not_finite"' in answer.body) == (500, "not_finite", True)
            assert answer.version == slot.header
        assert slot.tally.outcomes == {"ok": 1, "not_finite": 2}
        assert slot.flying == 0

    asyncio.run(work())


def test_a_broken_slow_or_changed_model_is_not_ready_and_says_why():
    async def work() -> None:
        model = Moody()
        slots, slot, inferring = _served(model)
        assert await _ready(slots) == (False, "no_version")
        await slots.share({DIGEST: 1.0}, None, 1)
        assert await _ready(slots) == (True, "")
        model.says = 3.0
        assert await _ready(slots) == (False, "golden_mismatch")
        model.breaks = True
        assert await _ready(slots) == (False, "failed")
        answer = await inferring.answer(BODY, Asked())
        assert (answer.status, answer.outcome) == (500, "failed")
        model.breaks, model.says = False, 2.0
        model.gate.clear()
        for _ in range(3):
            slot.runner.pace.note(1, 1.0)  # no quick one any more: it goes to a thread
        assert await _ready(slots, within_s=0.01) == (False, "slow")
        model.gate.set()
        assert await _ready(slots) == (True, "")

    asyncio.run(work())


def test_a_full_queue_is_503_with_retry_after_and_a_switch_waits_for_who_is_in_it():
    async def work() -> None:
        model = Moody()
        slots, slot, inferring = _served(model, room=1)
        await slots.share({DIGEST: 1.0}, None, 1)
        model.gate.clear()
        tasks = [asyncio.create_task(inferring.answer(BODY, Asked())) for _ in range(2)]
        while slot.runner.waiting < 1:  # noqa: ASYNC110 - each turn of the loop lets one in
            await asyncio.sleep(0)
        full = await inferring.answer(BODY, Asked())
        assert (full.status, full.outcome, full.headers) == (503, "full", [(b"retry-after", b"1")])
        with pytest.raises(UnavailableError, match="2 requests are still in flight"):
            await slots.empty(0.01)
        model.gate.set()
        await slots.empty(20)
        answers: list[Answer] = await asyncio.gather(*tasks)
        assert [answer.status for answer in answers] == [200, 200]
        assert (await inferring.answer(BODY, Asked())).outcome == "no_version"

    asyncio.run(work())
