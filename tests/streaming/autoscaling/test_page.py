"""The page on thresholds shows what its commands print."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from plumbline.cli.autoscale import autoscale

FOLDER = Path(__file__).parents[3] / "docs/infrastructure"
BLOCKS = re.findall(
    r"^``` console\n\$ plumb autoscale (.*)\n([\s\S]*?)\n```$", (FOLDER / "autoscaling.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_a_command_of_the_page_prints_what_the_page_shows(command, shown, monkeypatch):
    monkeypatch.chdir(FOLDER)
    done = CliRunner().invoke(autoscale, shlex.split(command), env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert [line.rstrip() for line in done.output.rstrip().splitlines()] == shown.splitlines()


def test_the_page_has_its_examples():
    assert len(BLOCKS) == 3
