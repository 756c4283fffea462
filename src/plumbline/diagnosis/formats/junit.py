"""The report as JUnit XML for CI: critical is a failure, unknown an error, and a warning passes but is told."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET  # only writes: nothing foreign is parsed

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.formats.tally import tally
from plumbline.diagnosis.report import Report, Result

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def render(report: Report) -> str:
    """Return one test suite with a test case per diagnostic; measures are its properties."""
    statuses = [result.status for result in report.results]
    counts = {
        "tests": str(len(statuses)),
        "failures": str(statuses.count(Status.CRITICAL)),
        "errors": str(statuses.count(Status.UNKNOWN)),
        "skipped": "0",
        "time": f"{report.duration_s:.4f}",
    }
    root = ET.Element("testsuites", {"name": "plumbline", **counts})
    del root.attrib["skipped"]  # the schema has it on suites only
    stamp = report.started_at.rstrip("Z").partition(".")[0]  # xs:dateTime without a zone, as the schema has it
    suite = ET.SubElement(
        root, "testsuite", {"name": _legal(report.target), "timestamp": stamp, "hostname": "", **counts}
    )
    _properties(suite, {"worst": str(report.worst), "complete": str(report.complete).lower()})
    for result in report.results:
        _case(suite, result)
    ET.SubElement(suite, "system-out").text = _legal(tally(report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, result: Result) -> None:
    area = result.id.partition(".")[0]
    case = ET.SubElement(suite, "testcase", classname=area, name=result.id, time=f"{result.duration_s:.4f}")
    _properties(case, {"status": str(result.status)} | {measure.name: str(measure) for measure in result.measures})
    if result.status is Status.CRITICAL:
        failure = ET.SubElement(case, "failure", type=result.cause or "critical", message=_legal(result.sentence))
        failure.text = _legal(_details(result))
    elif result.status is Status.UNKNOWN:
        error = ET.SubElement(case, "error", type=result.reason or "unknown", message=_legal(result.sentence))
        error.text = _legal(_details(result))
    else:
        ET.SubElement(case, "system-out").text = _legal(_details(result))


def _details(result: Result) -> str:
    lines = [f"{result.status.upper()}: {result.sentence}"]
    if result.status.red:
        lines += [f"cause: {result.cause}", f"impact: {result.impact}", *(f"next: {step}" for step in result.next)]
    return "\n".join([*lines, f"guide: {result.guide}"])


def _properties(parent: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=_legal(name), value=_legal(value))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
