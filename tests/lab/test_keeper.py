from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from plumbline.lab.errors import LabError
from plumbline.lab.keeper.sweep import MARK, members
from plumbline.lab.link import Link

LAB, OWNED = f"test-keeper-{os.getpid()}", f"test-owner-{os.getpid()}"  # tests may run in parallel
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "lab"
    made.mkdir()
    return made


@pytest.fixture
def link(folder: Path) -> Iterator[Link]:
    made = Link(LAB, folder, netns=False, env=dict(os.environ) | {MARK: LAB})
    yield made
    made.close()


def recipe(folder: Path, name: str, *argv: str, **more: Any) -> dict[str, Any]:
    env = {"PATH": os.environ["PATH"], MARK: LAB}
    return {
        "name": name,
        "argv": list(argv),
        "env": env,
        "cwd": str(folder),
        "stdout": str(folder / f"{name}.out"),
    } | more


def test_a_process_that_dies_is_started_again_under_the_same_name(link: Link, folder: Path, until: Until) -> None:
    first = link.ask("start", recipe=recipe(folder, "server", "sleep", "600", restart_s=0.0))["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: link.lives["server"].starts == 2 and link.lives["server"].code is None)
    assert link.lives["server"].pid != first


def test_a_process_that_is_not_supervised_stays_dead_and_its_exit_code_is_told(
    link: Link, folder: Path, until: Until
) -> None:
    link.ask("start", recipe=recipe(folder, "once", "bash", "-c", "exit 7"))
    until(lambda: link.lives["once"].code == 7)
    assert link.lives["once"].again is False


def test_stopping_waits_for_the_end_and_prevents_the_restart(link: Link, folder: Path) -> None:
    pid = link.ask("start", recipe=recipe(folder, "server", "sleep", "600", restart_s=0.0))["pid"]
    link.ask("stop", name="server")
    assert not psutil.pid_exists(pid)
    assert link.lives["server"].code == -signal.SIGTERM
    assert link.lives["server"].again is False


def test_a_stopped_process_that_ignores_sigterm_and_is_suspended_is_killed(
    link: Link, folder: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    stubborn = "trap '' TERM; echo up; while :; do sleep 1; done"
    pid = link.ask("start", recipe=recipe(folder, "stubborn", "bash", "-c", stubborn))["pid"]
    until(lambda: (folder / "stubborn.out").read_text())
    os.kill(pid, signal.SIGSTOP)
    link.ask("stop", name="stubborn")
    assert link.lives["stubborn"].code == -signal.SIGKILL


def test_a_restart_reads_the_unit_again(link: Link, folder: Path, until: Until) -> None:
    unit = folder / "server.service.d"
    unit.mkdir()
    (unit / "10-lab.conf").write_text("[Service]\nLimitNOFILE=64\n")
    show = "ulimit -n; exec sleep 600"
    fields = recipe(folder, "server", "bash", "-c", show, unit=str(unit), restart_s=0.0, pidfile=str(folder / "pid"))
    link.ask("start", recipe=fields)
    out = folder / "server.out"
    until(lambda: out.read_text() == "64\n")
    (unit / "20-fix.conf").write_text("[Service]\nLimitNOFILE=128\n")
    link.ask("stop", name="server", again=True)
    until(lambda: out.read_text() == "128\n" and link.lives["server"].starts == 2)
    assert int((folder / "pid").read_text()) == link.lives["server"].pid


def test_a_unit_that_is_wrong_at_a_restart_is_told_and_nothing_runs(link: Link, folder: Path, until: Until) -> None:
    unit = folder / "server.service.d"
    unit.mkdir()
    link.ask("start", recipe=recipe(folder, "server", "sleep", "600", unit=str(unit), restart_s=0.0))
    (unit / "20-fix.conf").write_text("[Service]\nLimitNOFILE=many\n")
    link.ask("stop", name="server", again=True)
    until(lambda: link.lives["server"].failure)
    assert "LimitNOFILE=many" in str(link.lives["server"].failure)


def test_what_cannot_be_done_is_answered_with_a_sentence(link: Link, folder: Path) -> None:
    with pytest.raises(LabError, match="there is no 'nobody' in this lab"):
        link.ask("stop", name="nobody")
    with pytest.raises(LabError, match="No such file"):
        link.ask("start", recipe=recipe(folder, "ghost", "/no/such/program"))
    link.ask("start", recipe=recipe(folder, "one", "sleep", "600"))
    with pytest.raises(LabError, match="'one' already runs"):
        link.ask("start", recipe=recipe(folder, "one", "sleep", "600"))


def test_the_state_file_follows_the_pid_of_the_gateway(link: Link, folder: Path, tmp_path: Path, until: Until) -> None:
    link.ask("start", recipe=recipe(folder, "gateway", "sleep", "600", restart_s=0.0))
    path = tmp_path / "state" / "lab.json"
    link.ask("register", path=str(path), state={"endpoint": {"pid": 1}})
    os.kill(link.lives["gateway"].pid, signal.SIGKILL)
    until(lambda: link.lives["gateway"].starts == 2)
    until(lambda: json.loads(path.read_text())["endpoint"]["pid"] == link.lives["gateway"].pid)
    assert path.stat().st_mode & 0o077 == 0


def test_closing_ends_orphans_too_and_removes_folder_and_files(link: Link, folder: Path, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    noted.write_text("x")
    link.ask("hold", files=[str(noted)])
    link.ask("start", recipe=recipe(folder, "daemon", "bash", "-c", "setsid sleep 600 & setsid sleep 601 & wait"))
    link.close()
    assert members(LAB) == []
    assert not folder.exists()
    assert not noted.exists()
    with pytest.raises(LabError, match="the keeper of the lab is gone"):
        link.ask("stop", name="daemon")


OWNER = """
import os, sys, time
from pathlib import Path
from plumbline.lab.keeper.sweep import MARK
from plumbline.lab.link import Link
folder = Path(sys.argv[1])
link = Link(sys.argv[2], folder, netns=False, env=dict(os.environ) | {MARK: sys.argv[2]})
env = {"PATH": os.environ["PATH"], MARK: sys.argv[2]}
base = {"env": env, "cwd": str(folder), "restart_s": 0.0}
link.ask("start", recipe=base | {"name": "a", "argv": ["sleep", "600"], "stdout": str(folder / "a")})
deaf = ["bash", "-c", "trap '' TERM; sleep 600 & wait"]
link.ask("start", recipe=base | {"name": "b", "argv": deaf, "stdout": "/dev/null"})
print(link.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(folder), OWNED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_everything_is_gone_after_the_owner_was_killed_with_9(
    owner: tuple[subprocess.Popen[str], int], folder: Path, until: Until
) -> None:
    process, _ = owner
    assert len(members(OWNED)) >= 3
    process.kill()
    until(lambda: not members(OWNED))
    until(lambda: not folder.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's; elsewhere the next lab reaps")
def test_the_processes_die_even_when_the_keeper_itself_is_killed_with_9(
    owner: tuple[subprocess.Popen[str], int], until: Until
) -> None:
    _, keeper = owner
    direct = [child for child in psutil.Process(keeper).children() if child.name() in ("sleep", "bash")]
    assert len(direct) == 2
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not any(child.is_running() for child in direct))


def test_the_keeper_outlives_ctrl_c_and_ends_in_order_on_sigterm(link: Link, folder: Path, until: Until) -> None:
    os.kill(link.pid, signal.SIGINT)
    link.ask("start", recipe=recipe(folder, "one", "sleep", "600"))
    os.kill(link.pid, signal.SIGTERM)
    until(lambda: not folder.exists())
    until(lambda: not members(LAB))
