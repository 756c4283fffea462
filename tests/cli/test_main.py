"""`plumb` itself: quick, lazy, and helpful when a command is misspelt."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from plumbline.cli.main import COMMANDS, main

HEAVY = (
    "psutil",
    "numpy",
    "fastapi",
    "uvicorn",
    "httpx",
    "pydantic",
    "torch",
    "onnxruntime",
    "rich",
    "bm25s",
    "httptools",
    "mcp",
)


def test_help_lists_every_command_with_a_line() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in result.output
        assert line.split()[0] in result.output


def test_importing_plumbline_and_asking_for_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, plumbline\nfrom plumbline.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in run.stdout


def test_a_misspelt_command_gets_a_suggestion_and_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["diagnos"])
    assert result.exit_code == 2
    assert "diagnose" in result.output


@pytest.mark.parametrize("name", [name for name, (target, _) in COMMANDS.items() if target])
def test_each_listed_command_exists(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert command.name == name


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
