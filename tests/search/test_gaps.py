"""Queries without a guide: redacted, bounded, and kept only if wanted."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plumbline_search import gaps
from plumbline_search.answers import Answer
from plumbline_search.gaps import LONGEST, record, redact

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def answer(no_guide: bool = True, kind: str = "question") -> Answer:
    return Answer("q", kind, "lexical", None, 1.0, no_guide, "?", None, 0.1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("password=hunter2 is wrong", "password=[secret] is wrong"),
        ("Authorization: Bearer eyJhbGciOi.J9 failed", "Authorization=[secret] failed"),
        ("postgres://admin:hunter2@db/x is down", "postgres://[secret]@db/x is down"),
        ("mail to jane.doe@example.org bounced", "mail to [address] bounced"),
        ("key AKIA1234567890ABCDEFGH leaked", "key [secret] leaked"),
        ("peer 10.1.2.3:8080 at 2026-11-20T10:00:00Z closed 1006", "peer at closed 1006"),
        ("API_KEY: sk-12345 refused", "API_KEY=[secret] refused"),
    ],
)
def test_secrets_and_addresses_are_taken_out(text: str, kept: str):
    assert redact(text) == kept


def test_a_gap_is_recorded_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "state/gaps.jsonl"
    assert record(answer(), "bicycle " * 100, path, now=lambda: NOON)
    told = json.loads(path.read_text())
    assert told["at"] == "2026-11-20T12:00:00+00:00"
    assert len(told["query"]) <= LONGEST
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_a_log_only_the_most_telling_lines_are_kept(tmp_path: Path):
    log = "INFO customer list follows\n" * 3 + "ERROR cannot print label\n" + "INFO " + "x" * 190
    record(answer(kind="log"), log, tmp_path / "gaps")
    assert "cannot print label" in json.loads((tmp_path / "gaps").read_text())["query"]


def test_an_answer_is_no_gap_and_the_switch_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert not record(answer(no_guide=False), "x", tmp_path / "gaps")
    monkeypatch.setenv("PLUMBLINE_SEARCH_GAPS", "off")
    assert not record(answer(), "x", tmp_path / "gaps")
    assert not (tmp_path / "gaps").exists()


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gaps, "LARGEST_FILE", 2_000)
    for number in range(100):
        record(answer(), f"gap number {number}", tmp_path / "gaps")
    lines = (tmp_path / "gaps").read_text().splitlines()
    assert (tmp_path / "gaps").stat().st_size <= 2_000
    assert json.loads(lines[-1])["query"] == "gap number 99"


def test_a_file_that_cannot_be_written_does_not_fail_the_search(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert not record(answer(), "x", tmp_path / "file/gaps")
