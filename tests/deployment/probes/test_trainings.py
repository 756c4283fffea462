"""Trainings for nothing, read from the state of `plumb retrain` and from other schedulers' logs."""

import asyncio
import json
import sys
import time

import pytest

from plumbline.deployment.core.errors import UnavailableError as ClosedError
from plumbline.deployment.evidence_trainings import DAY_S, judged, trainings_from_file
from plumbline.deployment.probes.trainings import Training
from plumbline.deployment.retraining.rules import Observation, Rule, Rules
from plumbline.deployment.retraining.state import Store
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.scheduler import _DEFAULTS, Scheduler

FILE = f"""\
model: churn
start: [{sys.executable}, -m, plumbline.lab.servers.training, ., "{{why}}"]
rules: [{{name: drift, kind: drift, measure: psi.tenure, above: 0.2, until: 0.199}}]
cool_down: 0s
new_labels: 0
budget: {{runs: 100, within: 1d}}
state: retraining.db
observe: {{file: served.json}}
"""
GUARDED = FILE.replace("until: 0.199", "until: 0.1").replace("cool_down: 0s", "cool_down: 1d")


def scheduler(folder, text=FILE):
    (folder / "retrain.yml").write_text(text)
    (folder / "scheduler.json").write_text(json.dumps({"retraining": str(folder / "retrain.yml")}))
    return Scheduler(Config(folder / "scheduler.json", _DEFAULTS))


def evidence(folder):
    return trainings_from_file(Endpoint("x", retraining=str(folder / "retrain.yml")))


def test_a_trembling_signal_without_brakes_trains_at_every_second_look(tmp_path):
    it = scheduler(tmp_path)
    acts = [str(it.look().decision.act) for _ in range(6)]
    assert acts == ["train", "rest", "train", "rest", "train", "rest"]
    found = evidence(tmp_path)
    assert (found.started, found.wasted, found.trembling, found.failed, found.undeployed) == (3, 2, 2, 0, 0)
    assert (found.cool_down_s, found.new_labels, round(found.band, 4)) == (0.0, 0, 0.005)
    assert len((tmp_path / "trainings.jsonl").read_text().splitlines()) == 3


def test_with_a_cool_down_one_event_is_one_training(tmp_path):
    it = scheduler(tmp_path, GUARDED)
    assert [str(it.look().decision.act) for _ in range(5)] == ["train", "wait", "wait", "wait", "wait"]
    assert (evidence(tmp_path).started, evidence(tmp_path).wasted) == (1, 0)


def test_what_was_before_the_file_was_mended_does_not_count(tmp_path):
    it = scheduler(tmp_path)
    for _ in range(5):
        it.look()
    assert evidence(tmp_path).wasted == 2
    time.sleep(0.02)  # a change's time has the resolution of the file system
    (tmp_path / "retrain.yml").write_text(GUARDED)
    assert (evidence(tmp_path).started, evidence(tmp_path).wasted) == (0, 0)


def test_reading_changes_nothing_and_cannot_write(tmp_path):
    scheduler(tmp_path).look()
    before = sorted((one.name, one.stat().st_mtime_ns) for one in tmp_path.iterdir())
    evidence(tmp_path)
    assert sorted((one.name, one.stat().st_mtime_ns) for one in tmp_path.iterdir()) == before
    store = Store(tmp_path / "retraining.db", read_only=True)
    with pytest.raises(ClosedError, match="readonly"):
        store.look(Rules("churn", (Rule("old", "age", "", "above", 1, 1),)), Observation(1.0, {}, 0, 0.0), start=False)


def test_each_training_is_held_against_the_one_before():
    def at(hours, labels, outcome="done", trained_at=None):
        return Training(hours * 3600.0, labels, outcome, trained_at)

    often = [at(0, 5000), at(1, 5000), at(2, 4000)]
    assert judged(often, [], 0.0, DAY_S).wasted == 0
    rare = [at(0, 10), at(30, 10)]
    assert judged(rare, [], 0.0, 2 * DAY_S).wasted == 0
    stuck = [at(0, 5000, trained_at=7.0), at(1, 5040, trained_at=7.0), at(2, 5080, trained_at=7.0)]
    found = judged(stuck, [], 0.0, DAY_S)
    assert (found.wasted, found.undeployed, found.fewest_labels, found.shortest_s) == (2, 2, 40, 3600.0)
    failing = [at(0, 50, "failed", 7.0), at(1, 50, "lost", 7.0), at(2, 50, "running", 7.0)]
    assert (judged(failing, [1800.0], 0.0, DAY_S).failed, judged(failing, [1800.0], 0.0, DAY_S).trembling) == (2, 1)
    assert judged(failing, [], 3601.0, DAY_S).wasted == 1


def test_another_schedulers_log_is_judged_over_the_last_day(tmp_path):
    log = tmp_path / "trainings.jsonl"
    rows = [{"started_at": time.time() - ago, "labels": 20, "dag": "churn"} for ago in (200_000, 600, 1200, 1800)]
    log.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    found = trainings_from_file(Endpoint("x", retraining=str(log)))
    assert (found.started, found.wasted, found.cool_down_s) == (3, 2, None)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"labels": 1}\n', "a.jsonl:1: "),
        ("a.jsonl", None, "No such file"),
        ("a.yml", "model: churn\n", "rules"),
        ("a.yml", None, "No such file"),
        ("a.yml", FILE.replace("state: retraining.db\n", ""), "names no state"),
        ("a.yml", FILE, "nobody has looked yet"),
    ],
)
def test_what_cannot_be_read_is_unknown_with_a_sentence(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UnavailableError, match=said):
        trainings_from_file(Endpoint("x", retraining=str(tmp_path / name)))


def test_a_state_that_is_none_is_unknown(tmp_path):
    (tmp_path / "retrain.yml").write_text(FILE)
    (tmp_path / "retraining.db").write_text("this is no database, though it is long enough to be one" * 30)
    with pytest.raises(UnavailableError, match="not a database"):
        evidence(tmp_path)


def test_the_scheduler_counts_what_it_started_and_goes_on_after_a_wrong_file(tmp_path, capsys, monkeypatch):
    it = scheduler(tmp_path, "model: churn\n")
    look = it.look
    looks = iter((look, lambda: (tmp_path / "retrain.yml").write_text(FILE) and look(), look))
    monkeypatch.setattr(it, "look", lambda: next(looks, sys.exit)())
    with pytest.raises(SystemExit):
        asyncio.run(it.run())
    assert "ERROR" in capsys.readouterr().err
    assert asyncio.run(it.handle("/", {})).value == {"trainings": 1}
    assert asyncio.run(it.handle("/else", {})).status == 404
