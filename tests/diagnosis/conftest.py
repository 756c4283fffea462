"""Temporary catalogues: diagnostics that bring their own evidence, so that no component is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue
from plumbline.diagnosis.findings import Measure, Status, Threshold
from plumbline.diagnosis.report import Report, Result

HEAD = '''#!/usr/bin/env -S plumb run
"""Is the number small enough?

It is read from nowhere.
"""

import ctypes
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.evidence import Endpoint, Source, UnavailableError, measured

TOO_MUCH = Threshold(5, "s", source="judgement: a test")


def read(endpoint: Endpoint) -> "Number":
    """Read it."""
    READ


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float = measured("s", "a number of seconds")
    owner: str = measured("", "who has it", secrecy="internal", default="alice")
    password: str = measured("", "never leaves", secrecy="secret", default="hunter2-canary")
    sources: ClassVar[tuple[Source, ...]] = (Source(frozenset(NEEDS), "the number of {url}", read),)


@diagnostic(timeout_s=TIMEOUT)
def judge(number: Number) -> Finding:
    """Hold the number against the limit."""
    JUDGE
'''
FINE = 'return ok(f"It takes {number.value} s.", Measure("value", number.value, "s", TOO_MUCH))'


def _source(judge: str = FINE, *, read: str = "return Number(3.0)", needs: str = "", timeout_s: float = 20.0) -> str:
    """Return the text of a diagnostic; bodies may have several lines, indented by four."""
    text = HEAD.replace("TIMEOUT", str(timeout_s)).replace("NEEDS", needs)
    return text.replace("    READ", f"    {read}").replace("    JUDGE", f"    {judge}")


Make = Callable[[dict[str, str]], Catalogue]


def catalogue_of(root: Path, diagnostics: dict[str, str]) -> Catalogue:
    """Write a catalogue with these diagnostics, by id."""
    for folder in ("docs", "kb", "diagnostics"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in diagnostics.items():
        area, _, slug = name.partition(".")
        path = root / "diagnostics" / area / f"{slug.replace('-', '_')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Catalogue(root)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a catalogue."""
    return lambda diagnostics: catalogue_of(tmp_path / "catalogue", diagnostics)


LIMIT = Threshold(0.8, "1", "a standard | with a pipe", "share of the queue")


def _result(name: str = "streaming.slow-consumer", status: Status = Status.OK, **changes: object) -> Result:
    """Return a result, red or not, with a measure against a limit."""
    red = status.red
    values: dict[str, object] = {
        "id": name,
        "question": "Is it slow?",
        "target": "lab",
        "status": status,
        "reason": {Status.OK: None, Status.UNKNOWN: "timeout"}.get(status, "threshold"),
        "sentence": "The queue is 93 % full (limit 80 %).",
        "measures": (Measure("fill", 0.93, "1", LIMIT), Measure("held", 2048, "By")),
        "cause": "one-slow-reader" if red else None,
        "impact": "Others wait." if red else None,
        "next": ("Bound the queue.", "Ask why it does not read.") if red else (),
        "guide": "/troubleshooting/streaming/slow-consumer/",
        "started_at": "2026-01-02T03:04:05.678Z",
        "duration_s": 0.25,
        "reads": ("admin socket",),
    }
    return Result(**(values | changes))  # type: ignore[arg-type] # a table of fields


def _report(*results: Result) -> Report:
    """Return a report of these results."""
    return Report("lab", results, "2026-01-02T03:04:05.678Z", 0.5)


@pytest.fixture(scope="session")
def source():
    """The text of a diagnostic: source(judge body, read=body, needs='"pid"', timeout_s=…)."""
    return _source


@pytest.fixture(scope="session")
def result():
    """A result: result(id, status, field=…)."""
    return _result


@pytest.fixture(scope="session")
def report():
    """A report of results."""
    return _report


@pytest.fixture(scope="session")
def write():
    """Writes a catalogue: write(root, {id: text})."""
    return catalogue_of
