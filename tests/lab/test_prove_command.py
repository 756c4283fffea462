from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from plumbline.cli.main import main
from plumbline.lab.keeper.sweep import MARK
from plumbline.lab.proof.patience import Patience

TOY = Path(__file__).parent / "toy"
ID = "streaming.message-too-big"
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TOY, tmp_path / "catalogue"))


@pytest.fixture(autouse=True)
def search(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [{"id": ID, "title": "", "url": ""}]
    monkeypatch.setattr("plumbline.lab.proof.prove.search", lambda: lambda query, *, catalogue, limit: found)
    brief = Patience(hold_s=0.6, hold_runs=2, decoy_s=0.6)
    monkeypatch.setattr("plumbline.lab.proof.prove.Patience", lambda: brief)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def invoke(root: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["--catalogue", str(root), "prove", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_proof_is_told_phase_by_phase_and_writes_nothing_by_itself(toy: Path) -> None:
    before = files(toy)
    code, out, err = invoke(toy)
    assert code == 0, err
    assert f"{ID} is proven" in err
    assert [line.split()[1] for line in err.splitlines() if line.startswith("  proven")][-1] == "clean-up"
    assert "1 of 1 proven" in out
    assert "rank 1" in out
    assert files(toy) == before


def test_record_writes_the_record_that_json_prints(toy: Path) -> None:
    code, out, err = invoke(toy, ID, "--record", "--json")
    assert code == 0, err
    (printed,) = json.loads(out)
    assert json.loads((toy / "docs/proof/streaming/message-too-big.json").read_text()) == printed


def spoil(root: Path) -> None:
    """A second guide that comes first and has no fault."""
    guide = root / "docs/troubleshooting/streaming/message-too-big.md"
    guide.with_name("a-first.md").write_text(guide.read_text())
    record = root / "kb/streaming/message-too-big/problem.yml"
    other = root / "kb/streaming/a-first/problem.yml"
    other.parent.mkdir()
    other.write_text(record.read_text().replace(ID, "streaming.a-first"))


def test_a_guide_that_is_not_proven_ends_the_run_with_exit_code_1(toy: Path) -> None:
    spoil(toy)
    code, out, err = invoke(toy)
    assert code == 1
    assert "streaming.a-first is not proven: it fails at 'baseline'" in err
    assert "kb/streaming/a-first/fault.py: is missing" in err
    assert ID not in out
    assert "0 of 2 proven" in out


def test_keep_going_proves_the_others_and_still_exits_1(toy: Path) -> None:
    spoil(toy)
    code, out, err = invoke(toy, "--keep-going", "--json")
    assert code == 1
    first, second = json.loads(out)
    assert (first["id"], first["proven"]) == ("streaming.a-first", False)
    assert (second["id"], second["proven"]) == (ID, True), err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("streaming.message-to-big",), f"did you mean '{ID}'"), (("no-id",), "there is no guide 'no-id'")],
)
def test_an_unknown_guide_is_a_usage_error(toy: Path, words: tuple[str, ...], said: str) -> None:
    code, _, err = invoke(toy, *words)
    assert code == 2
    assert said in err


def test_an_empty_catalogue_is_an_error_and_never_green(toy: Path) -> None:
    (toy / "docs/troubleshooting/streaming/message-too-big.md").unlink()
    code, out, err = invoke(toy)
    assert code == 2
    assert "an empty catalogue is never green" in err
    assert out == ""


def alive(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
        except (psutil.Error, OSError):
            continue
        if MARK in env and env.get("PLUMBLINE_STATE") == str(state.parent):
            found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_remains_of_a_proof_that_was_interrupted(state: Path, until: Until, number: signal.Signals) -> None:
    argv = [sys.executable, "-c", "from plumbline.cli.main import main; main()", "--catalogue", str(TOY), "prove"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=dict(os.environ), start_new_session=True)
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            if "inject" in line:
                break
        assert len(alive(state)) >= 3
        process.send_signal(number)
        process.wait()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    until(lambda: not alive(state))
    until(lambda: not list(state.glob("*.json")))
