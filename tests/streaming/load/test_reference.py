"""The reference page says what the code does."""

from pathlib import Path

import click

from plumbline.cli.load import load
from plumbline.streaming.load.bottleneck import RULES
from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.reference import scenario_tables
from plumbline.streaming.load.scenario import from_file

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/load.md").read_text(encoding="utf-8")


def test_every_option_is_on_the_page_in_its_own_words():
    for option in load.params:
        if isinstance(option, click.Option):
            assert f"`{option.opts[0]}" in PAGE
            assert option.help in PAGE


def test_the_scenario_tables_are_those_of_the_models():
    assert scenario_tables() in PAGE


def test_every_limit_and_dialect_is_on_the_page():
    limits = [rule.__name__.lstrip("_").replace("_", "-").replace("machine", "machine-cpu") for rule in RULES]
    assert all(f"| `{name}` |" in PAGE for name in (*limits, *DIALECTS))


def test_the_pages_scenario_is_one(tmp_path):
    path = tmp_path / "evening.toml"
    path.write_text(PAGE.split("``` toml\n")[1].split("```")[0])
    assert [phase.name for phase in from_file(path).phases] == ["ramp", "mixed", "storm"]
