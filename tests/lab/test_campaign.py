"""Several proofs: side by side, alone where they must be, given up together; and how one is told of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from plumbline.cli.prove import Voice
from plumbline.lab import HurtsWhen, Service
from plumbline.lab.fault import MACHINE, Fault
from plumbline.lab.proof.campaign import Campaign, Verdict
from plumbline.lab.proof.course import PHASES, Course, Phase
from plumbline.lab.proof.later import later, side_by_side


class Worker:
    """Counts how many work at the same time; each ends when it is let go."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.most = self.now = 0
        self.lock = threading.Lock()
        self.full = threading.Barrier(width)

    def __call__(self, item: int) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.full.wait(30)
        with self.lock:
            self.now -= 1
        return item * item


def never() -> None:
    raise AssertionError("nothing was to be given up")


def test_so_many_work_side_by_side_and_no_more() -> None:
    work = Worker(3)
    assert sorted(side_by_side(range(6), work, 3, never)) == [0, 1, 4, 9, 16, 25]
    assert work.most == 3


def test_one_alone_works_in_the_callers_thread_and_in_order() -> None:
    seen: list[str] = []

    def work(item: str) -> str:
        seen.append(threading.current_thread().name)
        return item

    assert list(side_by_side(["b", "a"], work, 1, never)) == ["b", "a"]
    assert set(seen) == {threading.current_thread().name}


def test_who_stops_asking_gives_up_what_is_under_way_and_begins_nothing_more() -> None:
    ends, begun = threading.Event(), []

    def work(item: int) -> int:
        begun.append(item)
        if item:
            ends.wait(30)
        return item

    results = side_by_side(range(9), work, 2, ends.set)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert ends.is_set()
    assert len(begun) <= 3


def test_what_is_raised_in_a_thread_is_raised_to_who_asks() -> None:
    def fail(item: int) -> int:
        raise ValueError(f"no {item}")

    with pytest.raises(ValueError, match="no 0"):
        list(side_by_side([0], fail, 2, never))
    failed: Future[None] = later(lambda: never())
    assert isinstance(failed.exception(30), AssertionError)


class Fake(Campaign):
    """A campaign whose subjects are names only: those that begin with `alone` need the machine."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def subject(self, name: str) -> Any:
        needs = frozenset({MACHINE}) if name.startswith("alone") else frozenset[str]()
        fault = type("Broken", (Fault,), {"needs": needs, "inject": lambda self, lab: None})
        return type("Subject", (), {"fault": fault})()

    def _verdict(self, prover: Any, keep: bool, begin: Callable[[str], None], name: str) -> Verdict:
        begin(name)
        ok = "red" not in name
        return Verdict(Course(name, phases=[Phase(each, ok, "said", 0.0) for each in PHASES]))


class Unasked:
    """A prover that need not be asked."""

    given_up = False

    def abandon(self) -> None:
        self.given_up = True


def test_those_that_need_the_machine_come_after_all_others() -> None:
    campaign = Fake(["alone.a", "b", "alone.c", "d"])
    begun: list[str] = []
    prover: Any = Unasked()
    verdicts = list(campaign.run(prover, keep=False, keep_going=True, begin=begun.append, jobs=2))
    assert {verdict.course.id for verdict in verdicts} == {"alone.a", "b", "alone.c", "d"}
    assert begun[2:] == ["alone.a", "alone.c"]


def test_one_at_a_time_they_keep_their_order_and_stop_at_the_first_red_one() -> None:
    campaign = Fake(["a", "red.b", "c"])
    prover: Any = Unasked()
    verdicts = list(campaign.run(prover, keep=False, keep_going=False, begin=lambda _: None))
    assert [verdict.course.id for verdict in verdicts] == ["a", "red.b"]


def test_lines_of_several_proofs_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice(2, together=True)
    for name in ("host.a", "host.b"):
        voice.announce(name)
        voice.tell(name, "baseline", None)
    voice.tell("host.a", "baseline", Phase("baseline", True, "of a", 1.0))
    voice.tell("host.b", "baseline", Phase("baseline", False, "of b", 1.0))
    assert capsys.readouterr().err == ""
    voice.conclude(Verdict(Course("host.b", phases=[Phase("baseline", False, "of b", 1.0)])))
    told = capsys.readouterr().err
    assert "of b" in told
    assert "of a" not in told
    assert "it fails at 'baseline'" in told


@pytest.mark.parametrize(
    ("limits", "seen", "hurts"),
    [
        (HurtsWhen(delivery_ratio=0.9), Service(due=10, delivered=8), True),
        (HurtsWhen(delivery_ratio=0.8), Service(due=10, delivered=8), False),
        (HurtsWhen(p99_s=1.0), Service(p99_s=1.5), True),
        (HurtsWhen(p99_s=1.0, closes=0), Service(p99_s=0.5, unexpected_closes=1), True),
        (HurtsWhen(request_ratio=0.99), Service(requests_ok=1, requests_failed=1), True),
        (HurtsWhen(publish_ratio=0.9), Service(published=10, published_due=10), False),
        (HurtsWhen(clients_ratio=1.0), Service(clients=1, clients_wanted=2), True),
        (HurtsWhen(staleness_s=2.0, away_s=1.0), Service(staleness_s=1.0, away_s=1.5), True),
    ],
)
def test_a_fault_says_which_measure_hurts(limits: HurtsWhen, seen: Service, hurts: bool) -> None:
    felt = limits.judge(seen)
    assert felt.hurts is hurts
    assert set(felt.numbers) == set(limits.limits)
    assert all(name in felt.sentence for name in limits.limits)


def test_a_fault_that_says_nothing_of_what_hurts_is_an_error() -> None:
    with pytest.raises(ValueError, match="names no limit"):
        HurtsWhen()
    silent = type("Silent", (Fault,), {"inject": lambda self, lab: None})()
    with pytest.raises(TypeError, match="declares neither hurts_when nor felt"):
        silent.felt(None)
