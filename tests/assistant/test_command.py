"""`plumb mcp` before the session: what is missing is said in one sentence."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from plumbline.assistant import finding
from plumbline.assistant.refusals import RefusedError, sentence_of
from plumbline.catalogue import Catalogue
from plumbline.cli.main import main
from plumbline.handbook import Complaint, HandbookError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_without_the_extra_the_sentence_has_the_pip_command(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    for name in [name for name in sys.modules if name.startswith(("mcp.", "plumbline.assistant."))]:
        monkeypatch.delitem(sys.modules, name)
    result = CliRunner().invoke(main, ["--catalogue", str(catalogue.root), "mcp"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "pip install 'plumbline[mcp]'" in result.output


def test_an_empty_catalogue_is_refused_before_the_session(tmp_path: Path) -> None:
    for name in ("docs", "kb", "diagnostics"):
        (tmp_path / name).mkdir()
    result = CliRunner().invoke(main, ["--catalogue", str(tmp_path), "mcp"])
    assert result.exit_code == 2
    assert "holds no diagnostic" in result.output


def test_on_a_terminal_it_says_who_is_expected(catalogue: Catalogue) -> None:
    leader, follower = pty.openpty()
    command = [Path(sys.executable).with_name("plumb"), "--catalogue", str(catalogue.root), "mcp"]
    with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        os.close(follower)
        assert run.stderr
        assert "an assistant is expected on standard input" in run.stderr.readline()
        os.write(leader, b"\x04")
        assert run.wait(30) == 0
        assert run.stdout
        assert run.stdout.read() == ""
    os.close(leader)


class Point:
    def __init__(self, find: Callable[..., object] | ImportError) -> None:
        self.find = find

    def load(self) -> Callable[..., object]:
        if isinstance(self.find, ImportError):
            raise self.find
        return self.find


def broken(*_: object, **__: object) -> object:
    raise OSError("the index is gone")


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ([], "no search is installed: pip install 'plumbline[search]'"),
        (
            [Point(ImportError("no faiss"))],
            "the search needs what is not installed (no faiss): pip install 'plumbline[search]'",
        ),
        ([Point(broken)], "the search does not answer (OSError: the index is gone)"),
    ],
)
def test_a_search_that_cannot_answer_is_a_sentence(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, points: list[Point], sentence: str
) -> None:
    monkeypatch.setattr(finding, "entry_points", lambda **_: points)
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        finding.found(catalogue, "slow", 5)


def test_a_bug_has_no_sentence_and_a_broken_handbook_has_one() -> None:
    assert sentence_of(KeyError("x")) is None
    error = HandbookError([Complaint("docs/a.md", 1, "is wrong")])
    assert sentence_of(ExceptionGroup("", [error])) == "the handbook has faults (1); 'plumb check' lists them"
