"""Looks at a diagnostic overlap if it is slow, and follow each other if it is quick."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Report, Result
from plumbline.evidence import Endpoint
from plumbline.lab.proof.looks import Looks
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.witness import Sample, Witness

Until = Callable[[Callable[[], object]], None]


class Slow:
    """A diagnostic that answers when it is told to, and counts how many of its runs go on."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = threading.Event()

    def run(self, ids: list[str] | None, endpoint: Endpoint, *, cancel: threading.Event | None = None) -> Report:
        self.begun += 1
        number = self.begun
        assert self.go.wait(60)
        result = Result("a.b", "?", endpoint.name, Status.OK, None, str(number), (), None, None, (), "", "", 0.0, ())
        return Report(endpoint.name, (result,), "", 0.0)


def watched(runner: Slow, patience: Patience) -> tuple[Witness, Looks]:
    witness = Witness(runner, "a.b", lambda: Endpoint(name="lab"))
    return witness, Looks(witness, patience)


def test_runs_of_a_slow_diagnostic_overlap_but_only_as_many_as_must_agree(until: Until) -> None:
    slow = Slow()
    witness, looks = watched(slow, Patience(hold_s=0.2, hold_runs=3))

    def three() -> bool:
        assert looks.step() == []
        return slow.begun == 3

    until(three)
    assert all(looks.step() == [] for _ in range(20))
    assert slow.begun == 3
    slow.go.set()
    witness.rest()


def test_ended_runs_come_back_once_in_the_order_in_which_they_began(until: Until) -> None:
    slow = Slow()
    witness, looks = watched(slow, Patience(hold_s=0.2, hold_runs=3))
    until(lambda: looks.step() or slow.begun == 3)
    slow.go.set()
    witness.rest()
    found: list[Sample] = []

    def seven() -> bool:
        found.extend(looks.step())
        return len(found) >= 7

    until(seven)
    numbers = [int(sample.result.sentence) for sample in found]
    assert len(set(numbers)) == len(numbers)
    assert all(earlier < later for earlier, later in pairwise(numbers[3:]))
    witness.rest()


def test_a_quick_one_is_not_begun_again_at_once() -> None:
    quick = Slow()
    quick.go.set()
    witness, looks = watched(quick, Patience(hold_s=300.0, look_s=100.0))
    assert looks.step() == []
    witness.rest()
    assert [sample.result.sentence for sample in looks.step() + looks.step()] == ["1"]
    witness.rest()
    assert quick.begun == 1
