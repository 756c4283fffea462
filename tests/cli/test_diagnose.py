"""`plumb diagnose`, `run`, `explain`, `bundle`, `replay`: output, exit codes, and what happens on Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from plumbline.cli.main import main

HEAD = '''#!/usr/bin/env -S plumb run
"""Is it fine?

It is always as it is.
"""

import time
from dataclasses import dataclass
from typing import ClassVar

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.evidence import Endpoint, Source, measured

LIMIT = Threshold(5, "s", source="judgement: a test")


def read(endpoint: Endpoint) -> "Number":
    """Read it."""
    return Number(3.0)


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float = measured("s", "a number")
    sources: ClassVar[tuple[Source, ...]] = (Source(frozenset(), "a number of {pid}", read, window_s=1.5),)


@diagnostic
def judge(number: Number) -> Finding:
    """Judge it."""
    return JUDGE
'''
FINE = 'ok("It takes 3 s.", Measure("value", 3.0, "s", LIMIT))'
WORRY = 'warning("It takes long.", cause="c", impact="i", next="n")'
BAD = 'critical("It takes too long.", cause="c", impact="i", next="n")'
THIN = 'unknown("Too few samples.")'
HANG = "time.sleep(3600)"


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Write a catalogue with these judgements, and return its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "labs"))

    def make(judgements):
        for folder in ("docs", "kb", "diagnostics"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for name, judgement in judgements.items():
            area, _, slug = name.partition(".")
            path = tmp_path / "diagnostics" / area / f"{slug.replace('-', '_')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(HEAD.replace("JUDGE", judgement))
            path.chmod(0o755)
        return tmp_path

    return make


def plumb(*arguments, catalogue="."):
    return CliRunner().invoke(main, ["--catalogue", str(catalogue), *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("judgements", "options", "code"),
    [
        ({"host.a": FINE}, [], 0),
        ({"host.a": FINE, "host.b": BAD}, [], 1),
        ({"host.a": WORRY}, [], 0),
        ({"host.a": WORRY}, ["--strict"], 3),
        ({"host.a": FINE, "host.b": THIN}, [], 4),
        ({"host.a": FINE}, ["*nothing*"], 5),
        ({"host.a": FINE}, ["search"], 5),
        ({"host.a": WORRY}, ["--format", "nagios"], 1),
        ({"host.a": BAD}, ["--format", "nagios"], 2),
        ({"host.a": HANG}, ["--timeout", "0.1"], 4),
    ],
)
def test_the_verdict_is_the_exit_code(catalogue, judgements, options, code):
    catalogue(judgements)
    assert plumb("diagnose", *options).exit_code == code


def test_the_report_is_on_standard_output_and_progress_on_standard_error(catalogue):
    catalogue({"host.a": FINE})
    done = plumb("diagnose", "--format", "json")
    assert json.loads(done.stdout)["worst"] == "ok"
    assert done.stderr.startswith("1/1 ok       host.a (")


def test_the_human_report_says_the_word_and_the_sentence(catalogue):
    catalogue({"host.a": FINE, "streaming.b": BAD})
    lines = plumb("diagnose").stdout.splitlines()
    assert lines[0] == "OK        host.a  Is it fine?"
    assert lines[1] == "          It takes 3 s."
    assert "CRITICAL  streaming.b  Is it fine?" in lines


def test_selectors_choose(catalogue):
    catalogue({"host.a": FINE, "host.b": FINE, "streaming.c": FINE})
    chosen = json.loads(plumb("diagnose", "host", "*.c", "--format", "json").stdout)["results"]
    assert [one["id"] for one in chosen] == ["host.a", "host.b", "streaming.c"]
    assert len(json.loads(plumb("diagnose", "host.b", "--format", "json").stdout)["results"]) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["diagnose", "host.aa"], "there is no diagnostic or area 'host.aa'; did you mean 'host.a'?"),
        (["diagnose", "--target", "labb"], "there is no target 'labb'; did you mean 'lab'?"),
        (["explain", "host.aa"], "did you mean 'host.a'?"),
        (["run", "nowhere/x.py"], "there is no such file"),
        (["replay", "nowhere.zip"], "nowhere.zip: there is no such file"),
        (["bundle", "host.aa"], "did you mean 'host.a'?"),
    ],
)
def test_a_usage_error_is_one_sentence_and_exit_code_two(catalogue, arguments, told):
    catalogue({"host.a": FINE})
    done = plumb(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("plumb: ")
    assert told in line


def test_nagios_gets_its_errors_on_standard_output(catalogue):
    catalogue({"host.a": FINE})
    done = plumb("diagnose", "host.aa", "--format", "nagios")
    assert (done.exit_code, done.stdout.partition(" - ")[0]) == (3, "PLUMB UNKNOWN")


def test_an_empty_catalogue_is_never_green(catalogue):
    catalogue({})
    done = plumb("diagnose")
    assert done.exit_code == 2
    assert "an empty catalogue is never green" in done.stderr


def test_a_bug_is_not_dressed_up_as_usage(catalogue, monkeypatch):
    catalogue({"host.a": FINE})

    def broken(name):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("plumbline.diagnosis.targets.resolve", broken)
    with pytest.raises(ZeroDivisionError):
        plumb("diagnose")


def test_a_plan_reads_nothing_and_says_what_would_be_read(catalogue):
    catalogue({"host.a": HANG})
    done = plumb("diagnose", "--plan", "--target", "pid:17")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "host.a: Is it fine?",
        "  Number",
        "    reads a number of 17, watched for 1.5 s",
    ]
    assert plumb("diagnose", "--plan", "search").exit_code == 5


def test_one_file_can_be_run_from_anywhere(catalogue):
    root = catalogue({"host.a": BAD})
    done = plumb("run", root / "diagnostics/host/a.py", "--format", "json", catalogue="/nowhere")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["results"][0]["id"] == "host.a"
    plan = plumb("run", root / "diagnostics/host/a.py", "--plan", "--target", "pid:3")
    assert "a number of 3" in plan.stdout


def test_a_diagnostic_can_be_called_by_its_own_name(catalogue):
    root = catalogue({"host.a": WORRY})
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [root / "diagnostics/host/a.py", "--target", "pid:3", "--format", "json", "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["target"] == "pid:3"


def test_explaining_tells_question_sources_limits_and_guide(catalogue):
    catalogue({"host.a": FINE})
    text = plumb("explain", "host.a").stdout
    for told in (
        "host.a: Is it fine?",
        "It is always as it is.",
        "    a number of {pid}, watched for 1.5 s",
        "  LIMIT = 5 s  limit",
        "      source: judgement: a test",
        "Guide  /troubleshooting/host/a/",
    ):
        assert told in text
    assert "Causes" not in text


RECORD = """
id: host.a
title: It is not fine
severity: ticket
platforms: [linux]
symptoms: {complaint: [it is slow], observation: [], exception: []}
causes: [{id: too-slow, title: It is too slow, evidence: more than 5 s, anchor: too-slow}]
paraphrases: [why is it slow]
"""


def test_explaining_tells_the_causes_of_the_problem_record(catalogue):
    root = catalogue({"host.a": FINE})
    (root / "kb/host/a").mkdir(parents=True)
    (root / "kb/host/a/problem.yml").write_text(RECORD)
    assert "  too-slow: It is too slow\n      more than 5 s" in plumb("explain", "host.a").stdout
    (root / "kb/host/a/problem.yml").write_text("id: [")
    assert "is broken; 'plumb check' says where" in plumb("explain", "host.a").stdout


def test_a_broken_diagnostic_is_explained_planned_and_reported_with_its_line(catalogue):
    root = catalogue({"host.a": FINE, "host.b": FINE})
    path = root / "diagnostics/host/b.py"
    path.write_text(path.read_text().replace("import time", "import yaml"))
    told = f"{path}:7: imports 'yaml'"
    assert told in plumb("explain", "host.b").stdout
    assert told in plumb("diagnose", "--plan").stdout
    done = plumb("diagnose", "--format", "json")
    assert done.exit_code == 4
    assert [one["status"] for one in json.loads(done.stdout)["results"]] == ["ok", "unknown"]


def test_a_bundle_is_saved_told_and_replayed(catalogue):
    catalogue({"host.a": FINE, "host.b": BAD})
    done = plumb("bundle")
    assert done.exit_code == 0
    assert "plumbline-bundle.zip: 1 critical, 1 ok of 2 on 'lab'" in done.stdout
    again = plumb("bundle", "host")
    assert again.exit_code == 2
    assert "exists already; choose another name with -o, or --force" in again.stderr
    assert plumb("bundle", "host", "--force").exit_code == 0
    replayed = plumb("replay", "plumbline-bundle.zip", "--format", "json")
    assert replayed.exit_code == 1
    assert json.loads(replayed.stdout)["worst"] == "critical"


def test_a_replay_with_other_diagnostics_says_so(catalogue):
    root = catalogue({"host.a": FINE})
    assert plumb("bundle").exit_code == 0
    path = root / "diagnostics/host/a.py"
    path.write_text(path.read_text().replace("3 s", "three seconds"))
    assert "'host.a' is another version than the one" in plumb("replay", "plumbline-bundle.zip").stderr


@pytest.mark.skipif(sys.platform != "linux", reason="counts processes by Linux's rules")
def test_ctrl_c_kills_what_runs_and_exits_130(catalogue):
    root = catalogue({"host.a": HANG})
    command = [
        sys.executable,
        "-c",
        "from plumbline.cli.main import main; main()",
        "--catalogue",
        str(root),
        "diagnose",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while len(family := psutil.Process(process.pid).children(recursive=True)) < 2:
            assert time.monotonic() < deadline, "the diagnostic never started"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == ("", "plumb: interrupted; what was running has been killed\n")
    assert psutil.wait_procs(family, timeout=20)[1] == []
