"""Commands run without a shell, with few variables, within their time; what they wrote is kept."""

from __future__ import annotations

import os
import sys
import time

import psutil
import pytest

from plumbline.deployment.pipeline.commands import CommandError, run, run_all
from plumbline.deployment.pipeline.parts import Step


def python(code, **more):
    return Step((sys.executable, "-c", code), **more)


def test_output_of_both_streams_is_kept_in_order_and_appended(tmp_path):
    log = tmp_path / "logs" / "build.log"
    ran = run_all([python("print('one')"), python("import sys; print('two', file=sys.stderr)")], tmp_path, log)
    assert [one.output for one in ran] == ["one", "two"]
    assert log.read_text() == "one\ntwo\n"


def test_a_command_starts_in_the_pipelines_folder_and_its_words_are_no_shell(tmp_path):
    code = "import os, sys; print(os.getcwd(), sys.argv[1:])"
    ran = run(Step(f"python -c '{code}' $HOME '*' ';ls'"), tmp_path, tmp_path / "log")
    assert ran.output == f"{tmp_path.resolve()} ['$HOME', '*', ';ls']"


def test_secrets_of_the_deployer_are_not_passed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "x")
    monkeypatch.setenv("AWS_PROFILE", "team")
    step = python(
        "import os; print(sorted(set(os.environ) & {'DATABASE_PASSWORD', 'AWS_PROFILE', 'SEED', 'OUT'}))",
        keep=("AWS_PROFILE",),
        environment={"SEED": "7"},
    )
    assert run(step, tmp_path, tmp_path / "log", {"OUT": "build"}).output == "['AWS_PROFILE', 'OUT', 'SEED']"


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(CommandError) as raised:
        run_all(
            [python("print('so far'); raise SystemExit('no data')"), python("print('never')")],
            tmp_path,
            tmp_path / "log",
        )
    assert "ended with code 1: no data" in raised.value.sentence
    assert raised.value.data["output"] == "so far\nno data"
    assert "never" not in (tmp_path / "log").read_text()


def test_a_command_beyond_its_time_is_killed_with_all_that_it_started(tmp_path):
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with pytest.raises(CommandError, match="was killed after its time limit of 2 s") as raised:
        run(python(code, time_limit_s=2.0), tmp_path, tmp_path / "log")
    child = int(raised.value.data["output"])
    until = time.monotonic() + 20
    while alive(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(child)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_signal_is_told(tmp_path):
    with pytest.raises(CommandError, match="was ended by signal 9: it wrote nothing"):
        run(python("import os; os.kill(os.getpid(), 9)"), tmp_path, tmp_path / "log")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program --now", "cannot be started in .*: No such file"),
        ("echo 'open", "is no command: No closing quotation"),
        ("", "has no command"),
        (("echo", "nul\0byte"), "cannot be started in .*null byte"),
    ],
)
def test_what_cannot_be_started_is_told(tmp_path, command, said):
    with pytest.raises(CommandError, match=said):
        run(Step(command), tmp_path, tmp_path / "log")
