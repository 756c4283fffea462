"""What retraining remembers, through kills, several schedulers, full disks and clocks."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from plumbline.deployment.core.errors import FullError, UnavailableError
from plumbline.deployment.retraining import state as state_module
from plumbline.deployment.retraining.decide import Act, State
from plumbline.deployment.retraining.rules import Observation, Rule, Rules
from plumbline.deployment.retraining.state import Store

RULES = Rules("churn", (Rule("drift", "drift", "psi", "above", 0.2, 0.1),), cool_down_s=100, new_labels=10)


def seen(at: float, psi: float = 0.3) -> Observation:
    return Observation(at, {"psi": psi}, 1_000, 0.0)


def test_a_look_is_remembered_and_starts_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "retraining.db")
    decision, run = store.look(RULES, seen(10), start=False)
    assert (decision.act, run) == (Act.TRAIN, None)
    again = Store(store.path)
    assert again.state("churn") == State({"drift": 10.0}, (), 10.0)
    assert [look.act for look in again.looks("churn")] == [Act.TRAIN]
    assert again.runs("churn") == []
    assert again.state("other") == State()


def test_a_start_is_a_run_with_its_reasons(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    _, run = store.look(RULES, seen(10), start=True)
    assert run is not None
    assert store.look(RULES, seen(11), start=True)[0].act is Act.WAIT
    store.end(run, 20.0, "done")
    (found,) = store.runs("churn")
    assert (found.started_at, found.ended_at, found.outcome, found.rules) == (10.0, 20.0, "done", ("drift",))
    assert '"psi":0.3' in found.seen
    assert "psi is 0.3" in found.why


def test_only_one_may_start_for_a_model(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    with store.alone("churn") as held:
        assert held is not None
        with Store(store.path).alone("churn") as other:
            assert other is None
        with store.alone("another-model") as free:
            assert free is not None
    with store.alone("churn") as free:
        assert free is not None


def test_a_run_whose_scheduler_was_killed_keeps_the_others_away_until_it_ends(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\nfrom pathlib import Path\n"
        "from plumbline.deployment.retraining.state import Store\n"
        "with Store(Path(sys.argv[1])).alone('churn') as held:\n"
        "    run = subprocess.Popen(['cat'], pass_fds=(held,), stdout=subprocess.DEVNULL)\n"
        "    print(run.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "r.db"
    words = [sys.executable, "-c", program, str(path)]
    one = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert one.stdout is not None
    assert one.stdin is not None
    run = psutil.Process(int(one.stdout.readline()))
    one.kill()
    one.wait()
    with Store(path).alone("churn") as held:
        assert held is None
    one.stdin.close()  # the end of its input is the end of the run
    one.stdout.close()
    psutil.wait_procs([run], 20)
    with Store(path).alone("churn") as held:
        assert held is not None


PROGRAM = """
import sys
from pathlib import Path
from plumbline.deployment.retraining.rules import Observation, Rule, Rules
from plumbline.deployment.retraining.state import Store
from plumbline.deployment.retraining.trigger import Ended, retrain
rules = Rules("churn", (Rule("drift", "drift", "psi", "above", 0.2, 0.1),), cool_down_s=0, new_labels=0, budget_runs=9)
def start(why, lock):
    print("started", flush=True)
    sys.stdin.read()
    return Ended(True)
seen = Observation(float(sys.argv[2]), {"psi": 1.0}, 9, 0.0)
print(retrain(Store(Path(sys.argv[1])), rules, seen, start).decision.act)
"""


def scheduler(path: Path, at: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROGRAM, str(path), str(at)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_schedulers_that_look_at_once_one_starts(tmp_path: Path) -> None:
    several = [scheduler(tmp_path / "r.db", 10.0) for _ in range(3)]
    for one in several:  # the others have waited, or see that one runs
        assert one.stdout is not None
        one.said = one.stdout.readline().strip()  # type: ignore[attr-defined]
    assert sorted(one.said for one in several) == ["started", "wait", "wait"]  # type: ignore[attr-defined]
    for one in several:
        one.communicate("")
    assert [run.outcome for run in Store(tmp_path / "r.db").runs("churn")] == ["done"]


def test_a_scheduler_that_is_killed_leaves_a_run_that_the_next_calls_lost(tmp_path: Path) -> None:
    one = scheduler(tmp_path / "r.db", 10.0)
    assert one.stdout is not None
    assert one.stdin is not None
    assert one.stdout.readline() == "started\n"
    one.send_signal(signal.SIGKILL)
    one.wait()
    one.stdin.close()
    one.stdout.close()
    store = Store(tmp_path / "r.db")
    assert [run.outcome for run in store.runs("churn")] == ["running"]
    with store.alone("churn") as held:
        assert held is not None
        assert store.forget_lost("churn") == 1
    (run,) = store.runs("churn")
    assert (run.outcome, run.ended_at) == ("lost", None)
    # It counts for the cool-down all the same: what kills a scheduler shall not be tried again at once.
    assert store.look(RULES, seen(50), start=True)[0].act is Act.WAIT


def test_old_looks_are_forgotten_and_runs_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "KEPT_LOOKS", 5)
    store = Store(tmp_path / "r.db")
    store.look(RULES, seen(1), start=True)
    for at in range(2, 20):
        store.look(RULES, seen(at), start=True)
    assert [look.at for look in store.looks("churn", 100)] == [19, 18, 17, 16, 15]
    assert len(store.runs("churn")) == 1


def test_a_clock_that_was_ahead_can_be_set_right(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    store.look(RULES, seen(1e12), start=True)
    assert "went back" in store.look(RULES, seen(1_000), start=True)[0].sentence
    store.trust_clock("churn", 1_000)
    assert store.state("churn") == State({"drift": 1_000.0}, (1_000.0,), 1_000.0)
    assert store.look(RULES, seen(1_200), start=True)[0].act is Act.TRAIN
    store.trust_clock("unknown", 5.0)
    assert store.state("unknown") == State()


def test_a_file_that_is_no_database_or_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(UnavailableError, match="not a database; nothing was remembered"):
        Store(tmp_path / "r.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="file"):
        Store(tmp_path / "file" / "r.db")


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "r.db")
    before = store.state("churn")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_remember", full)
        with pytest.raises(FullError, match="nothing was remembered"):
            store.look(RULES, seen(10), start=True)
    assert store.state("churn") == before
    assert store.runs("churn") == []
