import io
import json
import re
from xml.etree import ElementTree as ET

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from plumbline.diagnosis.findings import Measure, Status, Threshold
from plumbline.diagnosis.formats import FORMATS, human, nagios, render
from plumbline.diagnosis.progress import Progress
from plumbline.diagnosis.report import Report

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


@pytest.fixture
def mixed(report, result):
    """One of each status."""
    return report(
        result("host.a", OK),
        result("host.b", UNKNOWN, sentence="It did not <answer> | in time.", measures=()),
        result("streaming.c", WARNING),
        result("streaming.d", CRITICAL, sentence='The "queue" is full\x00.'),
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_every_diagnostic_and_ends_its_last_line(mixed, name):
    text = render(mixed, name)
    assert text.endswith("\n")
    for result in mixed.results:
        assert result.id in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_tell_of_nothing(report, name):
    assert render(report(), name).endswith("\n")


def test_an_unknown_format_is_refused(mixed):
    with pytest.raises(ValueError, match="known are human, json, junit"):
        render(mixed, "yaml")


def test_json_is_the_report(mixed):
    assert Report.from_json(json.loads(render(mixed, "json"))) == mixed


def test_a_terminal_gets_a_status_word_beside_every_colour(mixed):
    plain = human.render(mixed)
    for word in ("OK", "WARNING", "CRITICAL", "UNKNOWN"):
        assert re.search(rf"^{word} +(host|streaming)\.", plain, re.MULTILINE)
    assert "\x1b" not in plain
    stream = io.StringIO()
    human.show(mixed, Console(file=stream, force_terminal=True, color_system="standard", width=100))
    assert "\x1b[" in stream.getvalue()
    assert "CRITICAL" in stream.getvalue()


def test_no_colour_is_asked_for_by_the_environment(mixed, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    human.show(mixed, Console(file=stream, force_terminal=True, width=100))
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", stream.getvalue())


def test_a_red_finding_shows_numbers_against_limits_and_the_way_out(report, result):
    text = human.render(report(result(status=CRITICAL)))
    assert re.search(r"fill +93 % +limit 80 % \(share of the queue\)", text)
    assert re.search(r"held +2\.0 KiB", text)
    for line in ("cause   one-slow-reader", "impact  Others wait.", "next    Bound the queue."):
        assert f"          {line}\n" in text
    assert "                  Ask why it does not read.\n" in text
    assert "guide   /troubleshooting/streaming/slow-consumer/" in text
    assert text.splitlines()[-1] == "1 critical of 1 on 'lab': worst critical, complete, in 0.50 s"


def test_long_sentences_wrap_under_their_beginning_and_numbers_stay_with_their_units(report, result):
    sentence = " ".join(f"The queue number {n} is {n} % full." for n in range(20))
    lines = human.render(report(result(sentence=sentence))).splitlines()[1:-2]
    assert len(lines) > 3
    assert all(line.startswith(" " * 10) and len(line) <= human.WIDTH for line in lines)
    assert not any(line.lstrip().startswith("%") for line in lines)


def test_an_unknown_result_says_its_reason(report, result):
    assert "reason  timeout" in human.render(report(result(status=UNKNOWN)))


def test_junit_counts_critical_as_failure_and_unknown_as_error(mixed):
    root = ET.fromstring(render(mixed, "junit"))
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["streaming.d"].find("failure").get("type") == "one-slow-reader"
    assert cases["streaming.d"].find("failure").get("message") == 'The "queue" is full\ufffd.'
    assert cases["host.b"].find("error").get("type") == "timeout"
    assert cases["streaming.c"].find("failure") is None
    assert "WARNING" in cases["streaming.c"].find("system-out").text
    assert {one.get("name"): one.get("value") for one in cases["host.a"].iter("property")}["fill"] == "93 %"
    assert cases["host.a"].get("classname") == "host"


def test_prometheus_parses_and_has_one_status_per_diagnostic(mixed):
    families = {family.name: family for family in text_string_to_metric_families(render(mixed, "prometheus"))}
    states = families["plumbline_diagnostic_status"].samples
    assert {s.labels["id"]: s.labels["status"] for s in states if s.value == 1} == {
        result.id: str(result.status) for result in mixed.results
    }
    assert len(states) == 16
    (fill, *_) = families["plumbline_diagnostic_measure"].samples
    assert (fill.labels, fill.value) == ({"id": "host.a", "target": "lab", "name": "fill", "unit": "1"}, 0.93)
    assert {sample.value for sample in families["plumbline_diagnostic_limit"].samples} == {0.8}
    assert families["plumbline_report_complete"].samples[0].value == 0
    assert families["plumbline_report_timestamp_seconds"].samples[0].value == 1767323045.678


def test_prometheus_labels_are_escaped(report, result):
    odd = 'a"b\\c\nd'
    text = render(report(result(target=odd)), "prometheus")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {s.labels["target"] for s in families["plumbline_diagnostic_status"].samples} == {odd}


PERFDATA = re.compile(r"'(?:[^'=]|'')+'=-?[\d.]+(?:s|B|%|c)?(?:;[\d.:~-]*){0,4}")


def test_nagios_answers_in_one_line_with_performance_data(mixed):
    first, *others = render(mixed, "nagios").splitlines()
    text, _, data = first.partition(" | ")
    assert text.startswith("PLUMB CRITICAL - streaming.d: ")
    assert "|" not in text
    assert all(PERFDATA.fullmatch(one) for one in data.split())
    assert "'host.a.fill'=93%;80;" in data
    assert "'streaming.d.fill'=93%;;80" in data
    assert "'host.a.held'=2048B;;" in data
    assert len(others) == 4


def test_nagios_writes_limits_of_the_low_kind_as_ranges(report, result):
    left = Measure("left", 0.97, "1", Threshold(0.1, "1", "a test", low=True))
    assert "'streaming.slow-consumer.left'=97%;10:;" in render(report(result(measures=(left,))), "nagios")
    huge = Measure("huge", 1e18, "{message}")
    assert "=1000000000000000000;;" in render(report(result(measures=(huge,))), "nagios")


@pytest.mark.parametrize(
    ("statuses", "code", "word"),
    [
        ([OK], 0, "OK"),
        ([OK, WARNING], 1, "WARNING"),
        ([WARNING, CRITICAL, UNKNOWN], 2, "CRITICAL"),
        ([OK, UNKNOWN], 3, "UNKNOWN"),
        ([UNKNOWN, WARNING], 1, "WARNING"),
        ([], 3, "UNKNOWN"),
    ],
)
def test_nagios_has_exit_codes_of_its_own(report, result, statuses, code, word):
    one = report(*(result(status=status) for status in statuses))
    assert nagios.exit_code(one) == code
    assert render(one, "nagios").startswith(f"PLUMB {word} - ")


def test_markdown_is_not_broken_by_what_a_finding_says(mixed):
    text = render(mixed, "markdown")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == 4
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert r"\<answer\>" in text
    assert "- **cause** `one-slow-reader`" in text
    assert "| fill | 93 % | 80 % | a standard \\| with a pipe |" in text


class Terminal(io.StringIO):
    def last(self):
        return self.getvalue().rpartition("\r\x1b[2K")[2]


def _told(result, name):
    return {"event": "check.finished", "result": {**result(name).to_json(), "duration_s": 0.5}}


def test_without_a_terminal_progress_is_a_line_per_finish(result):
    stream = io.StringIO()
    with Progress(stream, live=False) as progress:
        progress({"event": "run.started", "ids": ["host.a", "host.b"], "target": "lab"})
        progress({"event": "check.started", "id": "host.a"})
        progress(_told(result, "host.a"))
        progress({"event": "run.finished", "report": {}})
    assert stream.getvalue() == "1/2 ok       host.a (0.50 s)\n"


def test_on_a_terminal_the_slowest_check_is_named_after_two_seconds(result):
    stream, now = Terminal(), [0.0]
    with Progress(stream, live=True, clock=lambda: now[0]) as progress:
        progress({"event": "run.started", "ids": ["host.a", "host.b", "host.c"], "target": "lab"})
        progress({"event": "check.started", "id": "host.a"})
        now[0] = 1.9
        progress({"event": "check.started", "id": "host.b"})
        assert stream.last() == "0 of 3 diagnostics"
        now[0] = 2.0
        progress.draw()
        assert stream.last() == "0 of 3 diagnostics, waiting 2 s for host.a"
        progress(_told(result, "host.a"))
        assert stream.last() == "1 of 3 diagnostics"
    assert stream.last() == ""
