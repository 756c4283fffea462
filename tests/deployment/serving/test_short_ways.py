"""Requests are read by their form, and answered as by the long way; so are those whose model has to be waited for."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_bodies import NUMBERS, OPEN, SIGNATURE, bodies, columns

from plumbline.deployment.core.manifest import Golden, Manifest
from plumbline.deployment.core.model import Arrays, Table
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.serving import forms, wire
from plumbline.deployment.serving.batching import Room, Runner
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.columns import Columns
from plumbline.deployment.serving.finite import finite
from plumbline.deployment.serving.golden import Compared
from plumbline.deployment.serving.inferring import Answer, Asked, Begun, Inferring
from plumbline.deployment.serving.pace import Pace
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slot, Slots
from plumbline.deployment.serving.source import Found
from plumbline.deployment.serving.tally import Tally

DIGEST = "sha256:" + "a" * 64


class Adder:
    """Answers the sum of all numbers; NaN where one is missing."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.digest = DIGEST

    def predict(self, inputs: Arrays) -> dict[str, Any]:
        rows = len(next(iter(inputs.values())))
        total = np.zeros(rows)
        for place, name in enumerate(sorted(inputs)):
            if inputs[name].dtype.kind == "f":
                total += np.nan_to_num(inputs[name].astype(np.float64).reshape(rows)) * (place + 1)
        return {"score": total, "label": total.astype(np.int32)}

    def close(self) -> None:
        pass


class Steady(Pace):
    """Quick, whatever else the machine does."""

    def expected_s(self, rows: int) -> float:
        return 1e-6 * rows


def served(signature: Signature) -> tuple[Inferring, Slot, dict[str, int]]:
    model = Adder(signature)
    runner = Runner(model, ThreadPoolExecutor(1), Room(9), batch_rows=8, pace=Steady())
    found = Found("1.0.0", DIGEST, Manifest("m", "onnx", "m.onnx", (), signature, Golden({}, {})))
    rows: tuple[Arrays, int] = (Table(("x",), np.ones((1, 1))), 1)
    same = Compared(True, 1, 0.0, "same")
    slot = Slot(DIGEST, found, model, runner, Checker(signature, 9), rows, same, Tally(signature, {}))
    refused: dict[str, int] = {}
    slots = Slots("m")
    slots.add(slot)
    slots._set({DIGEST: 1.0}, None)
    return Inferring("m", slots, Recent(0), refused), slot, refused


def long_way(inferring: Inferring, body: bytes) -> Answer | Begun:
    with mock.patch.object(forms, "request_of", wire.request_of):
        return inferring.begin(body, Asked())


def check_both_ways(signature: Signature, sent: list[bytes]) -> None:
    (short, slot, refused), (long, other, also) = served(signature), served(signature)
    for body in [one for again in sent for one in (again, again)]:  # the second one may be of a known form
        assert short.begin(body, Asked()) == long_way(long, body), body
    assert (slot.flying, slot.asked) == (other.flying, other.asked) == (0, 0)
    assert (slot.tally.outcomes, slot.tally.rows, refused) == (other.tally.outcomes, other.tally.rows, also)
    assert slot.tally.missing() == other.tally.missing()


@settings(deadline=None, max_examples=60)
@given(st.lists(bodies(SIGNATURE), min_size=1, max_size=4))
def test_requests_of_all_kinds_get_the_same_answer_by_their_form_and_the_long_way(sent):
    check_both_ways(SIGNATURE, sent)


@settings(deadline=None, max_examples=60)
@given(st.lists(bodies(NUMBERS) | bodies(OPEN), min_size=2, max_size=5))
def test_requests_of_numbers_get_the_same_answer_by_their_form_and_the_long_way(sent):
    check_both_ways(NUMBERS, sent)
    check_both_ways(OPEN, sent)


RIGHT = columns(balance=("FP32", [1.5]), age=("INT64", [40]), active=("BOOL", [True]))
MATRIX = {"name": "x", "shape": [1, 3], "datatype": "FP64", "parameters": {"columns": ["balance", "age", "active"]}}


@pytest.mark.parametrize(
    "body", [RIGHT, *(wire.encoded({"inputs": [MATRIX | {"data": data}]}) for data in ([1.5, 40, 1], [[None, 40, 0]]))]
)
def test_a_form_that_came_before_is_read_without_the_checker(body):
    inferring, slot, _ = served(NUMBERS)
    first = inferring.begin(body, Asked())
    with mock.patch.object(slot.checker, "inputs", side_effect=AssertionError):
        assert inferring.begin(body, Asked()) == first


def test_parameters_of_any_length_are_taken_but_not_remembered():
    inferring, slot, _ = served(NUMBERS)
    parameters = MATRIX["parameters"] | {"note": "x" * forms.LONGEST}  # type: ignore[operator] # a dictionary
    body = wire.encoded({"inputs": [MATRIX | {"parameters": parameters, "data": [1, 2, 0]}]})
    assert inferring.begin(body, Asked()) == inferring.begin(body, Asked())
    assert not slot.forms._matrices


def test_whoever_sends_ever_new_forms_does_not_shut_out_the_others():
    inferring, slot, _ = served(NUMBERS)
    for number in range(forms.MOST + 2):
        parameters = MATRIX["parameters"] | {"n": number}  # type: ignore[operator] # a dictionary
        inferring.begin(wire.encoded({"inputs": [MATRIX | {"parameters": parameters, "data": [1, 2, 0]}]}), Asked())
    body = wire.encoded({"inputs": [MATRIX | {"data": [1, 2, 0]}]})
    inferring.begin(body, Asked())
    with mock.patch.object(slot.checker, "inputs", side_effect=AssertionError):
        assert isinstance(inferring.begin(body, Asked()), Answer)


FLOATS = st.floats() | st.sampled_from([1.7e308, -1.7e308])


@given(st.lists(FLOATS, min_size=1, max_size=80))
def test_a_sum_finds_whatever_is_not_finite_and_nothing_else(values):
    array = np.array(values)
    assert (finite({"y": array}) is None) == bool(np.isfinite(array).all())
    plan = Columns(OPEN, ("a",), ("a", "b", "c"))
    assert plan._inside(array.reshape(-1, 1)) or not np.isfinite(array).all() or not np.isfinite(sum(values))
    if plan._inside(array.reshape(-1, 1)):
        assert np.isfinite(array).all()


def test_one_slow_request_is_forgiven_and_two_in_a_row_are_not():
    _, slot, _ = served(OPEN)
    runner, inputs = slot.runner, Table(("a", "b", "c"), np.ones((1, 3)))
    runner.pace = Pace()
    runner.pace.note(1, 1e-6)
    runner.took(1, 0.1)
    runner.took(1, 1e-5)
    runner.took(1, 0.1)
    assert runner.at_once(inputs, 1) is not None
    runner.took(1, 0.1)
    assert runner.at_once(inputs, 1) is None


def test_shares_are_kept_though_one_version_is_slow():
    inferring, quick, _ = served(OPEN)
    slow = served(OPEN)[1]
    slow.key = "sha256:" + "b" * 64
    slow.runner.pace = Pace()
    slots = inferring._slots
    slots._chance = random.Random(7)
    slots.add(slow)
    asyncio.run(slots.share({quick.key: 0.5, slow.key: 0.5}, None, 1))
    body = columns(a=("FP64", [1]), b=("FP64", [1]), c=("FP64", [1]))
    begun = [inferring.begin(body, Asked()) for _ in range(400)]
    assert 150 < sum(isinstance(one, Begun) for one in begun) < 250
    assert slow.flying == sum(isinstance(one, Begun) for one in begun)
    assert quick.flying == 0
