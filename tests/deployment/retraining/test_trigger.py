"""A decision to train starts a run, once, and says why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from plumbline.deployment.retraining.decide import Act
from plumbline.deployment.retraining.rules import Observation, Rule, Rules
from plumbline.deployment.retraining.state import Store
from plumbline.deployment.retraining.trigger import Ended, command, deploying, retrain

RULES = Rules("churn", (Rule("drift", "drift", "psi", "above", 0.2, 0.1),), cool_down_s=100, new_labels=10)


def seen(at: float, psi: float = 0.3) -> Observation:
    return Observation(at, {"psi": psi}, 1_000, 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "r.db")


def test_the_run_is_told_why_and_its_end_is_remembered(store: Store) -> None:
    told = []

    def start(why: str, lock: int) -> Ended:
        os.fstat(lock)
        told.append(why)
        assert retrain(store, RULES, seen(11), start).decision.sentence.startswith("A training of churn is running")
        return Ended(True)

    found = retrain(store, RULES, seen(10), start, clock=lambda: 30.0)
    assert told == ["drift: psi is 0.3 (above 0.2)."]
    assert found.ended == Ended(True)
    (run,) = store.runs("churn")
    assert (run.id, run.why, run.outcome, run.ended_at) == (found.run, told[0], "done", 30.0)


def test_without_a_reason_nothing_starts(store: Store) -> None:
    found = retrain(store, RULES, seen(10, 0.0), lambda *_: pytest.fail("nothing to start"))
    assert (found.decision.act, found.run, found.ended) == (Act.REST, None, None)


def test_a_run_that_fails_is_not_tried_again_before_the_cool_down(store: Store) -> None:
    assert retrain(store, RULES, seen(10), lambda *_: Ended(False, "exit code 1: no data")).ended == Ended(
        False, "exit code 1: no data"
    )
    assert store.runs("churn")[0].outcome == "failed"
    assert retrain(store, RULES, seen(20), lambda *_: pytest.fail("too soon")).decision.act is Act.WAIT


def test_a_start_that_raises_is_a_failure_and_lets_go(store: Store) -> None:
    def start(why: str, lock: int) -> Ended:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(store, RULES, seen(10), start)
    assert (store.runs("churn")[0].outcome, store.runs("churn")[0].detail) == ("failed", "KeyboardInterrupt: ")
    with store.alone("churn") as lock:
        assert lock is not None


def test_a_command_gets_the_sentence_as_one_word_and_writes_into_a_file(tmp_path: Path) -> None:
    output = tmp_path / "runs" / "1.log"
    code = "import sys; print(sys.argv[1:])"
    start = command([sys.executable, "-c", code, "--why", "{why}"], output, tmp_path)
    with Store(tmp_path / "r.db").alone("churn") as lock:
        assert lock is not None
        assert start('psi is "0.3"; $(rm -rf /)', lock) == Ended(True)
    assert output.read_text() == "['--why', 'psi is \"0.3\"; $(rm -rf /)']\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sh", "-c", "echo no data >&2; exit 7"], "exit code 7: no data"),
        (["sh", "-c", "exit 7"], "exit code 7: it printed nothing"),
        (["/nowhere/plumb"], "/nowhere/plumb: No such file or directory"),
    ],
)
def test_a_command_that_fails_says_how(tmp_path: Path, words: list[str], says: str) -> None:
    with Store(tmp_path / "r.db").alone("churn") as lock:
        assert lock is not None
        assert command(words, tmp_path / "out", tmp_path)("why", lock) == Ended(False, says)


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    with store.alone("churn") as lock:
        assert lock is not None
        start = command(["sh", "-c", "sleep 60 & sleep 60"], tmp_path / "out", tmp_path, timeout_s=0.2)
        assert start("why", lock) == Ended(False, "it was killed: not done after 0 s")
    with store.alone("churn") as free:  # the children are gone, too: they had the lock
        assert free is not None


def test_a_pipeline_is_started_by_the_command_of_this_installation(tmp_path: Path) -> None:
    words = deploying(tmp_path / "pipeline.yml")
    assert Path(words[0]).name == "plumb"
    assert words[1:] == ["deploy", str(tmp_path / "pipeline.yml"), "--why", "{why}"]
