"""An experiment's file: what it means, and what is wrong with it, told with file, place and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.declaration import as_json, load

TEXT = """
experiment: ranker
arms: [{name: control, share: 0.5}, {name: treatment, share: 0.5, version: 2.0.0}]
metrics:
  - {name: bought, kind: share, within: 7d, mean: 0.1, detect: 0.02}
  - {name: latency_s, kind: mean, better: down, guardrail: true, tolerated: 0.05, deviation: 0.3}
units: 8000
units_per_day: 1000
least: 7d
sync: 1s
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ranker.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_becomes_a_plan(tmp_path: Path) -> None:
    found = load(written(tmp_path, TEXT))
    assert found.plan.salt == "ranker"
    assert found.plan.primary.within_s == 7 * 86_400
    assert found.plan.least_s == 7 * 86_400
    assert found.log == tmp_path / "ranker.log"
    assert found.sync_s == 1
    assert found.expectations["bought"].detect == 0.02
    assert list(as_json(found.plan)["arms"]) == [
        {"name": "control", "share": 0.5, "version": None},
        {"name": "treatment", "share": 0.5, "version": "2.0.0"},
    ]


def test_the_log_may_be_elsewhere_and_the_salt_another(tmp_path: Path) -> None:
    found = load(written(tmp_path, TEXT + "log: logs/a.jsonl\nsalt: 77aa\n"))
    assert (found.log, found.plan.salt) == (tmp_path / "logs/a.jsonl", "77aa")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tolerated: 0.05", "tolerate: 0.05", r":6: there is no 'tolerate' here; did you mean 'tolerated'"),
        ("share: 0.5}, {", "share: half}, {", r":3: 'arms.0.share': Input should be a valid number, found 'half'"),
        ("tolerated: 0.05, ", "", "guardrail 'latency_s' tolerates nothing"),
        ("least: 7d", "least: soon", "least is 'soon'"),
        ("units_per_day: 1000", "units_per_day: 0", "units_per_day must be above 0"),
        ("experiment: ranker", "experiment: [", "is no YAML"),
        ("units: 8000\n", "", "'units' is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = written(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(InvalidError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"none\.yml: No such file"):
        load(tmp_path / "none.yml")
