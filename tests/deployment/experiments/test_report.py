"""The report: what machines read, and a page that stands alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from plumbline.deployment.experiments.analysis import analyse, compiled
from plumbline.deployment.experiments.assignment import assign
from plumbline.deployment.experiments.course import course
from plumbline.deployment.experiments.log import Exposure, Outcome, Read
from plumbline.deployment.experiments.plan import Arm, Metric, Plan
from plumbline.deployment.experiments.report.page import page
from plumbline.deployment.experiments.report.plots import Band, Rule, plot, ticks
from plumbline.deployment.experiments.report.record import record

PLAN = Plan(
    "ranker <2>",
    (Arm("control", 0.5), Arm("treatment", 0.5)),
    (
        Metric("bought", within_s=3_600),
        Metric("spent", kind="mean", before="spent_before"),
        Metric("latency_s", "down", "mean", guardrail=True, tolerated=0.05),
    ),
    salt="s",
    units=3_000,
)


def logged(units: int, lost: int = 0) -> Read:
    rng, log = np.random.default_rng(1), Read(torn=1)
    for number in range(units):
        unit, at = f"u{number}", 1e9 + 60.0 * number
        arm = assign(PLAN, unit).name
        if arm == "treatment" and lost and number % lost == 0:
            continue
        log.exposures.append(Exposure(unit, arm, at, {"platform": "web"}))
        log.outcomes.append(Outcome(unit, "spent_before", float(number % 7), at - 10))
        log.outcomes.append(Outcome(unit, "spent", number % 7 + float(rng.normal()), at + 1))
        log.outcomes.append(Outcome(unit, "latency_s", float(rng.normal(1, 0.1)), at + 1))
        if rng.random() < 0.1 + 0.1 * (arm == "treatment"):
            log.outcomes.append(Outcome(unit, "bought", 1.0, at + 60))
    return log


def report(log: Read) -> dict[str, object]:
    known = compiled(PLAN, log)
    found = record(PLAN, analyse(PLAN, known), course(known))
    return json.loads(json.dumps(found, allow_nan=False))


class Checker(HTMLParser):
    """Every element is closed, every id used once, nothing comes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        assert not {"src", "href", "onclick"} & given.keys()
        assert tag != "script"
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(text: str) -> Checker:
    found = Checker()
    found.feed(text)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    return found


def test_the_page_stands_alone_and_begins_with_the_recommendation() -> None:
    made = report(logged(3_000))
    assert made["advice"] == "ship"
    text = page(made)
    found = checked(text)
    assert "Ship" in found.text[: found.text.index("Effects")]
    assert "ranker <2>" in found.text
    assert "(CUPED)" in found.text
    assert "1 lines of the log were cut off" in found.text
    assert text.count("<svg") == 4
    assert "http" not in text
    assert all(label for label in re.findall(r'aria-label="([^"]*)"', text))


def test_a_void_experiment_tells_no_effect_at_all() -> None:
    made = report(logged(4_000, lost=4))
    assert made["advice"] == "void"
    assert made["readings"] == []
    assert all(moment["readings"] == [] for moment in made["course"])
    found = checked(page(made))
    assert "Effects" not in found.text
    assert "below the limit of 0.001" in found.text
    assert "Out of balance among platform=web" in found.text


def test_an_experiment_that_has_not_begun_has_a_page_too() -> None:
    made = report(Read())
    assert made["course"] == []
    assert "Nothing is logged yet" in checked(page(made)).text


def test_too_few_units_give_no_plot_of_nothing() -> None:
    assert "Too few units for an interval" in checked(page(report(logged(60)))).text


def test_units_count_when_they_had_the_time_that_the_metric_gives_them() -> None:
    log = logged(1_000)
    now = max(one.at for one in log.exposures)
    found = {one.metric.name: sum(one.units) for one in analyse(PLAN, log, now).readings}
    assert found["spent"] == 1_000
    assert found["bought"] == 1_000 - 60 + (now - 3_600 - 1e9) % 60 // 60


def test_what_comes_after_the_window_does_not_count() -> None:
    log = logged(400)
    late = [Outcome(one.unit, "bought", 1.0, one.at + 3_601) for one in log.exposures]
    end = [Outcome("nobody", "bought", 1.0, 1e10)]
    early = analyse(PLAN, replace(log, outcomes=log.outcomes + end)).readings[0]
    assert analyse(PLAN, replace(log, outcomes=log.outcomes + late + end)).readings[0] == early


def test_the_course_ends_where_the_answer_is() -> None:
    known = compiled(PLAN, logged(1_500))
    last = course(known, 10)[-1]
    assert last.readings == analyse(PLAN, known).readings
    assert last.sizes == analyse(PLAN, known).sizes


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.013, 0.021), (0, 17), (1e5, 3e5), (-1e-9, 1e-9)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-12 <= one <= high + 1e-12 for one in found)


def test_a_curve_without_a_single_point_is_an_empty_plot() -> None:
    drawn = plot("x", [1.0], [Band("b", [None], [None], [None])], [Rule(0.0, "zero")], x="s", y="y", told="nothing")
    assert "line s1" not in drawn
    checked(drawn)
