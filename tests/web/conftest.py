"""A small catalogue with one quick and one slow diagnostic, and the app on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from plumbline.catalogue import Catalogue
from plumbline.web.app import create_app
from plumbline.web.settings import WebSettings

DIAGNOSTIC = '''#!/usr/bin/env -S plumb run
"""Is the answer {name}?

A diagnostic of the tests.
"""

import time
from dataclasses import dataclass
from typing import ClassVar

from plumbline.diagnosis import Finding, Measure, Threshold, diagnostic, ok
from plumbline.evidence import Endpoint, Source, measured

LIMIT = Threshold(3.0, unit="s", source="judgement: the test's own")


def read(endpoint: Endpoint) -> "Answer":
    time.sleep({sleep})
    return Answer(1.0)


@dataclass(frozen=True)
class Answer:
    """One number."""

    value: float = measured("s", "The number.")
    sources: ClassVar[tuple[Source, ...]] = (Source(frozenset(), "nothing", read),)


@diagnostic
def answer(evidence: Answer) -> Finding:
    return ok("the answer is 1 s", Measure("answer", evidence.value, "s", LIMIT))
'''


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    for name in ("docs", "kb", "diagnostics/host"):
        (tmp_path / "catalogue" / name).mkdir(parents=True)
    for name, sleep in (("quick", 0), ("slow", 60)):
        path = tmp_path / "catalogue/diagnostics/host" / f"{name}.py"
        path.write_text(DIAGNOSTIC.format(name=name, sleep=sleep))
        path.chmod(0o755)
    return Catalogue(tmp_path / "catalogue")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Home</title><script>one()</script>")
    (folder / "404.html").write_text("<!doctype html><title>No such page</title>")
    return folder


@pytest.fixture
def settings(site: Path) -> WebSettings:
    return WebSettings(site=site, token="t" * 32, active_runs=1, jobs=1)


@pytest.fixture
def client(settings: WebSettings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A browser's page on the app, without what other packages mount."""
    monkeypatch.setattr("plumbline.web.app.entry_points", lambda **_: ())
    with TestClient(create_app(settings, catalogue), base_url="http://127.0.0.1:8000") as page:
        yield page
