"""Looks replayed from logs: of the lab's deciding script, and of other people."""

import json
import random

import pytest

from plumbline.deployment.evidence_peeking import peeks_from_plan
from plumbline.deployment.experiments.analysis import analyse
from plumbline.deployment.experiments.declaration import load
from plumbline.deployment.experiments.log import read
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.servers.decider import _DEFAULTS, Decider, z_test
from plumbline.lab.servers.http import Config

DAY_S = 86_400.0
PLAN = """\
experiment: {name}
arms: [{{name: control, share: 0.5}}, {{name: treatment, share: 0.5}}]
metrics: [{{name: bought, kind: share, mean: 0.1, detect: 0.03}}]
units: {units}
"""


def declared(folder, name="button-62", units=6000):
    path = folder / "button.yml"
    path.write_text(PLAN.format(name=name, units=units))
    return path


def decider(folder, name, **told):
    config = folder / "decider.json"
    config.write_text(json.dumps({"experiment": str(declared(folder, name)), **told}))
    return Decider(Config(config, _DEFAULTS))


def run(it, days=60):
    for _ in range(days):
        it.day()
    return it


def evidence(folder, **told):
    return peeks_from_plan(Endpoint("x", experiment=str(folder / "button.yml"), **told))


def test_a_script_that_looks_daily_declares_a_winner_of_two_pages_that_are_the_same(tmp_path):
    it = run(decider(tmp_path, "button-62", rule="fixed"))
    assert (it.decided, it.came) == ("treatment", 1000)
    found = evidence(tmp_path)
    assert (found.decided, found.units, found.planned, found.looks, found.noted) == ("treatment", 1000, 6000, 10, True)
    assert (found.crossed, found.first_units, found.supported) == (1, 1000, False)
    assert found.p < 0.05
    assert found.low < 0 < found.high
    assert found.plan_looks == 60
    assert 0.32 < found.alarms < 0.36


def test_a_stricter_level_and_a_least_number_have_their_winners_too(tmp_path):
    strict, patient = tmp_path / "strict", tmp_path / "patient"
    strict.mkdir()
    patient.mkdir()
    assert run(decider(strict, "button-204", rule="fixed", level=0.01)).decided == "treatment"
    assert run(decider(patient, "button-274", rule="fixed", least=1500), 20).decided == "treatment"
    for folder in (strict, patient):
        assert not evidence(folder).supported
    assert evidence(patient).looks == 1  # none was taken before


def test_the_rule_for_every_look_keeps_the_control_of_the_same_test(tmp_path):
    it = run(decider(tmp_path, "button-62"))
    assert it.decided == "control"
    found = evidence(tmp_path)
    assert (found.units, found.looks, found.plan_looks) == (6000, 60, 60)
    assert found.crossed > 10  # and nobody stopped there
    assert not found.supported
    it.day()
    assert it.came == 6000


def test_a_log_with_notes_is_analysed_as_one_without(tmp_path):
    run(decider(tmp_path, "button-62", rule="fixed"))
    experiment = load(tmp_path / "button.yml")
    kept = read(experiment.log)
    assert analyse(experiment.plan, kept).sizes == (499, 501)
    assert kept.torn == 0


def visits(days, per_day, shares, decision=None):
    draw = random.Random(4)
    rows = []
    for number in range(days * per_day):
        unit, arm, at = f"u{number}", number % 2, 1e9 + DAY_S * number / per_day
        rows.append({"unit": unit, "arm": ("control", "treatment")[arm], "at": at})
        if draw.random() < shares[arm]:
            rows.append({"unit": unit, "metric": "bought", "value": 1, "at": at + 1})
    return [*rows, {"kind": "decision", "arm": decision, "at": 1e9 + DAY_S * days}] if decision else rows


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_of_a_log_without_looks_one_a_day_is_assumed(tmp_path):
    declared(tmp_path)
    found = evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", visits(10, 100, (0.1, 0.1), "treatment")))
    assert (found.looks, found.noted, found.units) == (10, False, 1000)
    assert found.plan_looks in (60, 61)


def test_a_true_effect_supports_an_early_decision(tmp_path):
    declared(tmp_path)
    found = evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", visits(20, 100, (0.1, 0.3), "treatment")))
    assert (found.decided, found.supported) == ("treatment", True)
    assert found.low > 0


def test_a_running_test_is_replayed_to_its_last_entry(tmp_path):
    declared(tmp_path)
    found = evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", visits(3, 40, (0.1, 0.1))))
    assert (found.decided, found.compared, found.units) == ("", "treatment", 120)
    assert (found.low, found.high, found.difference) == (None, None, None)  # fewer than 100 in each arm


def test_an_empty_log_has_no_looks(tmp_path):
    declared(tmp_path)
    found = evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", []))
    assert (found.units, found.looks, found.plan_looks, found.alarms, found.p) == (0, 0, 0, 0.0, 1.0)


def test_ten_thousand_looks_are_thinned_out(tmp_path):
    declared(tmp_path)
    rows = visits(10, 100, (0.1, 0.1)) + [{"kind": "look", "at": 1e9 + 86 * number} for number in range(10_000)]
    found = evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", rows))
    assert found.looks == 500
    assert found.plan_looks <= 500


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"unit": "u1", "arm": "control"}, "without a time"),
        ({"kind": "decision", "arm": "treatment-b", "at": 2e9}, "'treatment-b'"),
        ({"arm": "control", "at": 1e9}, "names no unit"),
        ({"unit": "u1", "at": 1e9}, "names no arm"),
    ],
)
def test_what_cannot_be_replayed_is_named(tmp_path, row, said):
    declared(tmp_path)
    with pytest.raises(UnavailableError, match=said):
        evidence(tmp_path, exposures=written(tmp_path / "log.jsonl", [*visits(2, 60, (0.1, 0.1)), row]))


def test_a_plan_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UnavailableError, match=r"button\.yml"):
        evidence(tmp_path)


def test_the_scripts_test_is_that_of_school():
    assert z_test((1000, 1000), (0.10, 0.13)) == pytest.approx(0.0355, abs=1e-3)
    assert z_test((10, 10), (0.0, 0.0)) == 1.0
