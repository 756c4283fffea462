"""What tables tell: performance on mature labels only, drift by column, and signs of bugs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.retraining.tables import labelled, samples

DAY = 86_400.0
NOW, TRAINED = 100 * DAY, 80 * DAY


def predictions(path: Path, rows: list[tuple[object, object, object]]) -> Path:
    path.write_text("at,score,label\n" + "".join(f"{at},{score},{label}\n" for at, score, label in rows))
    return path


def ranked(count: int, start: float, *, right: bool) -> list[tuple[object, object, object]]:
    """Return predictions an hour apart that rank well, or just the other way round."""
    return [(start + n * 600, 0.2 + 0.6 * (n % 2) + n * 1e-5, n % 2 if right else 1 - n % 2) for n in range(count)]


def read(path: Path, *, delay: float = 0.0, window: int = 1_000):
    return labelled(path, now=NOW, trained_at=TRAINED, delay_s=delay, window=window)


def test_labels_that_are_not_mature_yet_are_left_out(tmp_path: Path) -> None:
    rows = ranked(300, NOW - 20 * DAY, right=True) + ranked(300, NOW - 3 * DAY, right=False)
    path = predictions(tmp_path / "p.csv", rows)
    assert read(path, delay=7 * DAY).measures["roc_auc"] == 1
    assert read(path, delay=7 * DAY).labels == 300
    assert read(path).measures["roc_auc"] < 0.6
    assert read(path).labels == 600


def test_the_newest_rows_count_and_those_of_the_version_before_do_not(tmp_path: Path) -> None:
    rows = ranked(300, TRAINED - 20 * DAY, right=False) + ranked(300, TRAINED + DAY, right=True)
    found = read(predictions(tmp_path / "p.csv", rows))
    assert (found.labels, found.measures["roc_auc"]) == (300, 1)
    later = predictions(
        tmp_path / "q.csv", ranked(300, TRAINED, right=False) + ranked(250, TRAINED + 5 * DAY, right=True)
    )
    assert read(later, window=250).measures["roc_auc"] == 1


def test_few_rows_say_nothing_and_unknown_labels_are_none(tmp_path: Path) -> None:
    rows = [*ranked(199, TRAINED, right=True), (TRAINED + DAY, 0.5, "")]
    found = read(predictions(tmp_path / "p.csv", rows))
    assert (found.measures, found.labels, found.bugs) == ({}, 199, ())


def test_answers_that_are_not_finite_or_all_the_same_look_like_a_bug(tmp_path: Path) -> None:
    wrong = read(predictions(tmp_path / "p.csv", [*ranked(300, TRAINED, right=True), (NOW - 1, "nan", 1)]))
    assert wrong.bugs == ("1 of 301 answers are not finite",)
    assert wrong.measures["roc_auc"] == 1
    stuck = read(predictions(tmp_path / "q.csv", [(TRAINED + n, 0.13, n % 2) for n in range(300)]))
    assert stuck.bugs == ("the last 200 answers all are 0.13",)


def test_of_rows_with_one_time_none_is_newer_for_its_score(tmp_path: Path) -> None:
    rows = [(TRAINED + 1, 0.9, 0), (TRAINED + 1, 0.1, 1)] * 150 + [(TRAINED + 1, 0.1, 0), (TRAINED + 1, 0.9, 1)] * 150
    assert read(predictions(tmp_path / "p.csv", rows), window=300).measures["roc_auc"] == 1.0


def test_times_may_be_written_as_people_do(tmp_path: Path) -> None:
    path = predictions(tmp_path / "p.csv", [("1970-03-31T00:00:00Z", 0.5, 1), ("1970-04-01 00:00:00", 0.5, 0)])
    assert read(path).labels == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("at,score\n1,2\n", "has no column 'label': expected at, score, label"),
        ("at,score,label\nsoon,0.5,1\n", r":2: at is 'soon': expected Unix time or 2026"),
        ("at,score,label\n8e6,high,1\n", r":2: score is 'high', which is no number"),
        ("at,score,label\n8e6,0.5,yes\n", r":2: label is 'yes', which is no number"),
        (None, "No such file"),
    ],
)
def test_a_table_that_is_wrong_is_told_with_its_line(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "p.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidError, match=says):
        read(path)


def columns(path: Path, **given: list[object]) -> Path:
    lines = [",".join(given), *(",".join(map(str, row)) for row in zip(*given.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_column_has_its_drift_and_what_ceased_to_come_is_a_bug(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    training = columns(
        tmp_path / "t.csv",
        age=list(rng.normal(40, 10, 800)), plan=["a", "b"] * 400, city=["x"] * 800, tenure=list(rng.normal(size=800)),
    )  # fmt: skip
    recent = columns(
        tmp_path / "r.csv",
        age=list(rng.normal(55, 10, 400)), plan=["a", "b"] * 200, tenure=["" if n % 2 else 1.0 for n in range(400)],
    )  # fmt: skip
    found = samples(training, recent)
    assert found.measures["psi.age"] > 0.2
    assert found.measures["psi.plan"] == pytest.approx(0)
    assert set(found.bugs) == {
        "'city' has ceased to come: r.csv does not have it",
        "'tenure' is missing in 50% of the recent rows, 0.0% in training",
    }


def test_what_is_no_input_is_left_out(tmp_path: Path) -> None:
    training = columns(tmp_path / "t.csv", age=[1.0, 2.0] * 50, churned=[0, 1] * 50)
    recent = columns(tmp_path / "r.csv", age=[1.0, 2.0] * 50)
    found = samples(training, recent, ("churned",))
    assert (set(found.measures), found.bugs) == ({"psi.age"}, ())


def test_a_sample_without_rows_or_that_is_no_text_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "e.csv"
    empty.write_text("age\n")
    with pytest.raises(InvalidError, match="has no rows"):
        samples(empty, empty)
    empty.write_bytes(b"age\n\xff\xfe\n")
    with pytest.raises(InvalidError, match="can't decode"):
        samples(empty, empty)
