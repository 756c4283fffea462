"""The reference page's example runs, and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/reference/deployment/models.md"


def test_the_pages_example_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = re.findall(r"```\w+ title=[^\n]*\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})

    def no_figures(text: str) -> str:
        return re.sub(r"difference \S+ of", "difference of", text)

    assert no_figures(capsys.readouterr().out) == no_figures(printed)
