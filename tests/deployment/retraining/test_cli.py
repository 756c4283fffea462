"""`plumb retrain`, as cron calls it and a person asks it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plumbline.cli.main import main
from plumbline.deployment.retraining.declaration import load
from plumbline.deployment.retraining.rules import Observation
from plumbline.deployment.retraining.state import Store

TEXT = f"""
model: churn
start: [{sys.executable}, -c, "import sys; print(sys.argv[1]); sys.exit(CODE)", "{{why}}"]
rules: [{{name: drift, kind: drift, measure: psi, above: 0.2, until: 0.1}}]
new_labels: 10
state: state/r.db
observe: {{file: seen.json}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "retraining.yml"
    path.write_text(TEXT.replace("CODE", "0"))
    seeing(path, 0.3)
    return path


def seeing(file: Path, psi: float, *bugs: str) -> None:
    seen = {"measures": {"psi": psi}, "labels": 100, "trained_at": 1000.0, "bugs": bugs}
    file.with_name("seen.json").write_text(json.dumps(seen))


def plumb(*words: object) -> Result:
    return CliRunner().invoke(main, ["retrain", *map(str, words)])


def test_run_trains_once_says_why_and_then_waits(file: Path) -> None:
    first = plumb("run", file)
    assert first.exit_code == 0
    assert first.output.startswith("train: drift: psi is 0.3 (above 0.2).\nStarted; its output goes to ")
    assert first.output.endswith("The training went well.\n")
    (output,) = (file.parent / "state" / "runs").iterdir()
    assert output.read_text() == "drift: psi is 0.3 (above 0.2).\n"
    second = plumb("run", file)
    assert "none for another 24 h" in second.output
    assert "done" in plumb("history", file).output
    assert "1 of 4 trainings of the budget are used" in plumb("status", file).output


def test_check_remembers_and_starts_nothing_and_a_dry_run_not_even_that(file: Path) -> None:
    for words in (("check", "--dry-run"), ("run", "--dry-run")):
        assert plumb(words[0], file, words[1]).output == "train: drift: psi is 0.3 (above 0.2).\n"
    assert "nobody has looked yet" in plumb("status", file).output
    assert plumb("check", file).output.startswith("train:")
    told = plumb("status", file).output
    assert "Rule drift holds since" in told
    assert plumb("history", file).output == "No training of churn was started yet.\n"
    assert "look" in plumb("history", file, "--looks").output


def test_a_bug_is_investigated(file: Path) -> None:
    seeing(file, 0.9, "'age' has ceased to come")
    told = plumb("run", file)
    assert told.output.startswith("investigate: drift: psi is 0.9 (above 0.2). But 'age' has ceased to come")
    assert plumb("history", file, "--json").output == '{\n "model": "churn",\n "runs": []\n}\n'


def test_a_run_that_fails_has_an_exit_code_of_its_own(file: Path) -> None:
    file.write_text(TEXT.replace("CODE", "7"))
    told = plumb("run", file)
    assert told.exit_code == 3
    assert "The training failed: exit code 7" in told.output
    (one,) = json.loads(plumb("history", file, "--json", "--looks").output)["runs"]
    assert (one["outcome"], one["seen"]["measures"]) == ("failed", {"psi": 0.3})


def test_json_says_all_of_it(file: Path) -> None:
    found = json.loads(plumb("run", file, "--json").output)
    assert (found["act"], found["outcome"], found["run"], found["rules"]) == ("train", "done", 1, ["drift"])
    state = json.loads(plumb("status", file, "--json").output)
    assert (state["running"], state["last_run"]["outcome"], state["last_look"]["act"]) == (False, "done", "train")
    assert json.loads(plumb("check", file, "--json").output)["outcome"] is None


def test_a_clock_that_was_ahead_is_set_right_when_asked(file: Path) -> None:
    setting = load(file)
    assert setting.state is not None
    Store(setting.state).look(setting.rules, Observation(time.time() + 1e6, {"psi": 0.0}, 0, 0.0), start=False)
    assert "went back" in plumb("run", file).output
    assert "went well" in plumb("run", file, "--trust-clock").output


def test_what_cannot_be_seen_is_told_and_what_cannot_be_read_ends_it(file: Path) -> None:
    file.write_text(file.read_text().replace("{file: seen.json}", "{file: seen.json, labels: none.csv}"))
    assert "Not seen: " in plumb("check", file).output
    file.with_name("seen.json").write_text("{}")
    told = plumb("check", file)
    assert told.exit_code == 1
    assert told.output.startswith("Error: nothing says when 'churn' was trained")


def test_without_a_place_named_the_state_folder_holds_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "plumbline"))
    text = file.read_text().replace("state: state/r.db\n", "")
    file.write_text(text.replace("{file: seen.json}", "{file: seen.json, registry: {}}"))
    told = plumb("check", file)
    assert "Not seen: " in told.output
    assert str(tmp_path / "plumbline" / "registry") in told.output
    assert (tmp_path / "plumbline" / "retraining" / "retraining.db").exists()
