"""The report for a terminal: a colour and always the word, numbers against their limits, what to do, the guide."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from plumbline.diagnosis.findings import Measure, Status
from plumbline.diagnosis.formats.tally import tally
from plumbline.diagnosis.report import Report, Result

STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.CRITICAL: "bold red", Status.UNKNOWN: "magenta"}
WIDTH = 100
_INDENT = 10  # the longest status word and two spaces
_LABEL = 8
_VALUE = re.compile(r"(\d) (%|[A-Za-zµ]{1,3}\b)")


def render(report: Report) -> str:
    """Return the report without colour, 100 columns wide."""
    console = Console(width=WIDTH, no_color=True, highlight=False, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        show(report, console)
    return captured.get()


def show(report: Report, console: Console) -> None:
    """Print the report; colours are the console's choice (`NO_COLOR` turns them off)."""
    for result in report.results:
        _show(result, console)
    style = STYLES[report.worst] if report.complete or report.worst.red else STYLES[Status.UNKNOWN]
    console.print(Text.assemble((tally(report), style), f", in {report.duration_s:.2f} s"), soft_wrap=True)


def _show(result: Result, console: Console) -> None:
    word = Text(f"{result.status.upper():<{_INDENT}}", STYLES[result.status])
    console.print(Text.assemble(word, (result.id, "bold"), (f"  {result.question}", "dim")), soft_wrap=True)
    _line(console, result.sentence)
    if result.measures and result.status is not Status.OK:
        for line in _numbers(result.measures):
            console.print(line, soft_wrap=True)
    if result.status.red:
        _line(console, result.cause or "", "cause")
        _line(console, result.impact or "", "impact")
        for number, step in enumerate(result.next):
            _line(console, step, "" if number else "next", labelled=True)
        _line(console, result.guide, "guide")
    elif result.status is Status.UNKNOWN:
        _line(console, result.reason or "", "reason")
    console.print()


def _line(console: Console, text: str, label: str = "", *, labelled: bool = False) -> None:
    """Print indented text, wrapped under its own beginning; a label has a column of its own."""
    column = " " * _INDENT + (f"{label:<{_LABEL}}" if label or labelled else "")
    text = _VALUE.sub("\\1\u00a0\\2", text)  # a number stays with its unit
    for line in textwrap.wrap(
        text, console.width, initial_indent=column, subsequent_indent=" " * len(column), break_on_hyphens=False
    ):
        console.print(Text(line.replace("\u00a0", " ")), soft_wrap=True)


def _numbers(measures: tuple[Measure, ...]) -> Iterator[Text]:
    """Yield a line per measure, in columns: name, value, limit."""
    names = [measure.name.replace("_", " ") for measure in measures]
    values = [str(measure) for measure in measures]
    for name, value, measure in zip(names, values, measures, strict=True):
        line = f"{'':{_INDENT}}{name:<{max(map(len, names))}}  {value:>{max(map(len, values))}}"
        limit = f"  limit {measure.limit} ({measure.limit.name})" if measure.limit else ""
        yield Text.assemble(line, (limit, "dim"))
