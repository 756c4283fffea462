import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis.findings import Finding, Measure, Status, Threshold, critical
from plumbline.diagnosis.report import Report, Result, finding_from_json, finding_to_json
from plumbline.diagnosis.select import UnknownDiagnosticError, match, pick

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "worst", "complete", "code", "strict"),
    [
        ([OK, OK], OK, True, 0, 0),
        ([OK, WARNING], WARNING, True, 0, 3),
        ([WARNING, CRITICAL, OK], CRITICAL, True, 1, 1),
        ([OK, UNKNOWN], OK, False, 4, 4),
        ([WARNING, UNKNOWN], WARNING, False, 4, 3),
        ([CRITICAL, UNKNOWN], CRITICAL, False, 1, 1),
        ([UNKNOWN], UNKNOWN, False, 4, 4),
        ([], UNKNOWN, False, 5, 5),
    ],
)
def test_a_report_has_two_axes_and_an_exit_code(report, result, statuses, worst, complete, code, strict):
    one = report(*(result(status=status) for status in statuses))
    assert (one.worst, one.complete) == (worst, complete)
    assert (one.exit_code(), one.exit_code(strict=True)) == (code, strict)


def test_the_json_is_the_documented_one(report, result):
    data = report(result(status=CRITICAL)).to_json()
    assert list(data) == ["schema", "target", "worst", "complete", "started_at", "duration_s", "results"]
    (only,) = data["results"]
    assert list(only)[:9] == ["id", "question", "target", "status", "reason", "sentence", "measures", "cause", "impact"]
    assert list(only)[9:] == ["next", "guide", "started_at", "duration_s", "reads"]
    assert only["measures"][0] == {
        "name": "fill",
        "value": 0.93,
        "unit": "1",
        "text": "93 %",
        "limit": {
            "value": 0.8,
            "unit": "1",
            "source": "a standard | with a pipe",
            "name": "share of the queue",
            "low": False,
            "text": "80 %",
        },
    }


words = st.text(min_size=1).filter(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)
limits = st.none() | st.builds(Threshold, numbers, words, words, words, st.booleans())
measures = st.lists(st.builds(Measure, words, numbers, words, limits), max_size=3).map(tuple)
findings = st.one_of(
    st.builds(Finding, st.sampled_from([OK, UNKNOWN]), words, measures),
    st.builds(Finding, st.sampled_from([WARNING, CRITICAL]), words, measures, words, words, st.tuples(words)),
)


@given(findings)
def test_a_finding_survives_json(finding):
    assert finding_from_json(json.loads(json.dumps(finding_to_json(finding)))) == finding


@given(st.lists(findings, max_size=3), words, numbers)
def test_a_report_survives_json(found, text, number):
    results = tuple(
        Result(
            f"host.n{position}", text, text, one.status, None, one.sentence, one.measures, one.cause, one.impact,
            one.next, "/g/", "2026-01-01T00:00:00Z", number, (text,),
        )
        for position, one in enumerate(found)
    )  # fmt: skip
    report = Report(text, results, "2026-01-01T00:00:00Z", number)
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.parametrize("data", [None, [], {}, {"schema": "plumbline.report/2"}, {"schema": "plumbline.report/1"}])
def test_other_data_is_no_report(data):
    with pytest.raises(ValueError, match=r"is no plumbline\.report/1"):
        Report.from_json(data)


def test_a_result_that_lacks_a_field_is_no_report(report, result):
    data = report(result()).to_json()
    del data["results"][0]["sentence"]
    with pytest.raises(ValueError, match="sentence"):
        Report.from_json(data)


def test_a_red_finding_without_a_way_out_is_refused():
    with pytest.raises(ValueError, match="names cause, impact"):
        critical("Bad.", cause="", impact="i", next="n")


IDS = ["host.a", "host.b", "streaming.queue-full", "streaming.slow-consumer"]


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        ([], IDS),
        (["host"], IDS[:2]),
        (["streaming.slow-consumer", "host.a"], [IDS[0], IDS[3]]),
        (["*queue*"], [IDS[2]]),
        (["host.[b-z]", "host"], IDS[:2]),
        (["*nothing*"], []),
        (["search"], []),
    ],
)
def test_selectors_are_ids_areas_and_globs(selectors, chosen):
    assert match(IDS, selectors) == chosen


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("streaming.slow-consumr", r"did you mean 'streaming\.slow-consumer'"),
        ("slow-consumer", r"did you mean 'streaming\.slow-consumer'"),
        ("hosts", "did you mean 'host'"),
        ("zzz", r"known are host\.a, host\.b"),
    ],
)
def test_an_unknown_selector_is_answered_with_the_likely_one(name, told):
    with pytest.raises(UnknownDiagnosticError, match=told):
        match(IDS, [name])


def test_no_ids_is_all():
    assert pick([], None) == []
