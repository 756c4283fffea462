"""The benchmarks run at a tiny scale and write what the page reads; judged is only what no chance decides."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks/deployment"
NAMES = ("switch", "machinery", "crashes", "aliases", "sequential", "bumps", "digests", "reloads")


@pytest.fixture
def script(monkeypatch):
    """Import a script as it would run; its modules are forgotten afterwards: other folders have a `common`."""
    theirs = {path.stem for path in FOLDER.glob("*.py")}
    before = {name: sys.modules.pop(name) for name in theirs & set(sys.modules)}
    monkeypatch.syspath_prepend(str(FOLDER))
    common = importlib.import_module("common")

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--quick", *words])
        importlib.import_module(name).main()
        kept = json.loads((common.QUICK / f"{name}.json").read_text())
        assert kept["command"].startswith(f"python benchmarks/deployment/{name}.py --quick")
        return kept["results"]

    yield run
    for name in theirs & set(sys.modules):
        del sys.modules[name]
    sys.modules.update(before)


def test_a_switch_is_measured_with_and_without(script):
    found = script("switch", "--ways", "artefact")["artefact"]
    assert (found["switches"], found["failed"], found["stale"], found["versions_seen"]) == (2, 0, 0, 2)
    assert found["p99_ratio"] > 0


def test_simulated_decisions_have_intervals(script):
    found = script("sequential")
    for one in (found["a_a"]["sequential"], found["a_a"]["z_test"], found["false_rollbacks"]["rolled_back"]):
        assert 0 <= one["low"] <= one["share"] <= one["high"] <= 1
    assert found["caught"]["median_requests_per_arm"] > 0


def test_pairs_of_models_are_judged_by_the_table_of_the_tests(script):
    found = script("bumps")
    assert found["pairs"] == found["right"] == 3


def test_two_packages_have_one_digest(script):
    found = script("digests")
    assert len(set(found["artefact"])) == 1
    assert found["files_that_differ"] == []


def test_reloads_are_counted_after_the_first_ones(script):
    found = script("reloads")
    assert found["reloads"] == 4
    assert len(found["series_mb"]) == 6


def test_our_aliases_are_measured_without_the_peer(script):
    assert script("aliases", "--peers", "")["plumbline"]["moves"] == 20


def test_a_killed_deployer_is_followed_by_one_that_finishes(script):
    found = script("crashes", "--ends")
    assert (found["killed"], found["inconsistent"]) == (found["moments"], 0)
    assert "finish_s" not in found


def test_a_deployment_is_timed_step_by_step(script):
    found = script("machinery")
    assert set(found["steps_s"]) >= {"build", "gates", "prepare", "promote", "settle"}
    assert found["rollback_s"]["runs"] == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_script_says_what_it_does_and_where_it_ends(name):
    about = (FOLDER / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    assert f"python benchmarks/deployment/{name}.py" in about
    assert "Bounds:" in about


@pytest.mark.usefixtures("script")
def test_the_page_is_made_of_the_results():
    page = importlib.import_module("page")
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


@pytest.mark.usefixtures("script")
def test_every_section_is_there_without_results(monkeypatch, tmp_path):
    page = importlib.import_module("page")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    assert page.page().count("Not recorded yet") == len(page.SECTIONS)
