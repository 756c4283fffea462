"""The report as a monitoring plug-in answers: one line, performance data, exit code 0, 1, 2 or 3.

Format: Monitoring Plugins Development Guidelines, `'label'=value[unit];warn;crit;min;max`.
"""

from __future__ import annotations

from plumbline.diagnosis.findings import Measure, Status
from plumbline.diagnosis.formats.tally import tally
from plumbline.diagnosis.report import Report, Result

_CODES = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2, Status.UNKNOWN: 3}
_UNITS = {"s": "s", "By": "B"}  # a ratio is written in percent; others have no unit there
_ORDER = (Status.CRITICAL, Status.UNKNOWN, Status.WARNING, Status.OK)


def render(report: Report) -> str:
    """Return the plug-in's output: the summary with all performance data, then one line per diagnostic."""
    verdict = _verdict(report)
    data = " ".join(_datum(result, measure) for result in report.results for measure in result.measures)
    lines = [f"PLUMB {verdict.upper()} - {_plain(_headline(report, verdict))}{f' | {data}' if data else ''}"]
    lines += [f"[{result.status.upper()}] {result.id}: {_plain(result.sentence)}" for result in report.results]
    return "\n".join(lines) + "\n"


def exit_code(report: Report) -> int:
    """Return 0 ok, 1 warning, 2 critical, 3 unknown; an incomplete run is unknown unless something is red."""
    return _CODES[_verdict(report)]


def _verdict(report: Report) -> Status:
    return report.worst if report.worst.red or report.complete else Status.UNKNOWN


def _headline(report: Report, verdict: Status) -> str:
    ranked = sorted(report.results, key=lambda result: _ORDER.index(result.status))
    if verdict is Status.OK or not ranked:
        return tally(report)
    first = next((result for result in ranked if result.status is verdict), ranked[0])
    return f"{first.id}: {first.sentence} ({tally(report)})"


def _datum(result: Result, measure: Measure) -> str:
    label = f"{result.id}.{measure.name}".replace("'", "''").replace("=", "_")
    ratio = measure.unit == "1"
    unit = "%" if ratio else _UNITS.get(measure.unit, "")
    value = _number(measure.value * 100 if ratio else measure.value)
    limit = ""
    if measure.limit is not None:  # `10:` alerts below ten, `10` above
        limit = _number(measure.limit.value * 100 if ratio else measure.limit.value) + ":" * measure.limit.low
    is_critical = result.status is Status.CRITICAL
    return f"'{label}'={value}{unit};{'' if is_critical else limit};{limit if is_critical else ''}"


def _number(value: float) -> str:
    return f"{value:.12g}" if abs(value) < 1e15 else f"{value:.0f}"  # beyond it, %g writes an exponent


def _plain(text: str) -> str:
    """A pipe begins performance data, a line break ends the summary."""
    return " ".join(text.replace("|", "/").split())
