"""Who may command, and processes that are found again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lane_parts import launch, wait_until

from plumbline.deployment.core.errors import CorruptError, FencedError, UnavailableError
from plumbline.deployment.lanes.fence import Fence, durable
from plumbline.deployment.lanes.frontdoor import Address
from plumbline.deployment.lanes.groups import _STARTED, Launch, Processes


def test_the_epoch_only_rises_and_survives_who_wrote_it(tmp_path):
    assert Fence(tmp_path).epoch() == 0
    with Fence(tmp_path).held(4):
        pass
    with Fence(tmp_path).held(4):
        pass
    with pytest.raises(FencedError, match="replaced this one") as refused, Fence(tmp_path).held(3):
        pytest.fail("an old deployer came in")
    assert refused.value.as_dict() | {"reason": "fenced", "epoch": 3, "seen": 4} == refused.value.as_dict()
    assert Fence(tmp_path).epoch() == 4


def test_one_command_at_a_time(tmp_path):
    now = iter(range(100))
    second = Fence(tmp_path, patience_s=2, clock=lambda: next(now))
    busy = pytest.raises(UnavailableError, match="another deployer's command holds")
    with Fence(tmp_path).held(1), busy, second.held(2):
        pytest.fail("both came in")
    assert Fence(tmp_path).epoch() == 1


def test_an_epoch_that_is_none_is_said_and_not_taken_for_zero(tmp_path):
    (tmp_path / "epoch").write_text("twelve")
    with pytest.raises(CorruptError, match="twelve"), Fence(tmp_path).held(1):
        pass


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(UnavailableError, match="nothing was changed"):
        durable(tmp_path / "f", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.fixture
def group(tmp_path, port):
    group = Processes("blue", tmp_path, [Address("127.0.0.1", port)], launch, grace_s=5)
    yield group
    group._grace_s = 0.5
    group.stop()


def again(group, how=launch):
    return Processes(group.name, group._folder, group._addresses, how, grace_s=group._grace_s)


def test_processes_are_found_by_who_did_not_start_them(group):
    assert (group.running(), group.whole(), group.ready(), group.words()) == (None, False, False, "")
    group.start("d1")
    wait_until(group.ready)
    other = again(group)
    assert (other.running(), other.whole(), other.ready()) == ("d1", True, True)
    other.start("d1")  # nothing to do
    other.stop()
    assert group.running() is None


def test_a_starter_killed_right_after_the_start_leaves_a_process_that_is_found(tmp_path, port):
    starts = (
        "import os, signal, sys\n"
        "from lane_parts import lane_of\n"
        "from pathlib import Path\n"
        f"lane = lane_of(Path({str(tmp_path)!r}), [{port}, {port}])\n"
        "lane._groups[0].start('d1')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    assert subprocess.run([sys.executable, "-c", starts], env=here, check=False).returncode == -signal.SIGKILL
    group = Processes("blue", tmp_path / "groups", [Address("127.0.0.1", port)], launch, grace_s=1)
    assert group.running() == "d1"
    wait_until(group.ready)
    group.stop()
    assert group.running() is None


def test_a_pid_file_without_its_process_says_nothing(group):
    (group._folder / "blue1.pid").write_text(f"{os.getpid()} d1\n")
    (group._folder / "blue1.lock").touch()
    assert group.running() is None
    group.stop()  # and surely does not end the process that has that pid now


def test_a_process_that_does_not_go_is_killed_with_its_children(tmp_path, port):
    def deaf(digest, address):
        return launch(digest, address, ["deaf"])

    group = Processes("blue", tmp_path, [Address("127.0.0.1", port)], deaf, grace_s=0.3)
    group.start("d1")
    wait_until(group.ready)
    group.stop()
    assert not group.whole()


def test_children_that_outlive_their_parent_still_count_and_are_ended(tmp_path):
    forks = "import os, time\nif os.fork() == 0:\n    time.sleep(600)\n"
    address = [Address("127.0.0.1", 1)]
    group = Processes("blue", tmp_path, address, lambda *_: Launch([sys.executable, "-c", forks]), grace_s=2)
    group.start("d1")
    wait_until(lambda: group._alive() and not _STARTED)
    assert group.running() == "d1"
    group.stop()
    assert group.running() is None


def test_a_folder_that_is_not_there_is_an_error_and_leaves_no_lock_behind(group):
    nowhere = again(group, lambda *_: Launch(["true"], cwd=group._folder / "none"))
    with pytest.raises(UnavailableError, match="cannot be started"):
        nowhere.start("d1")
    assert group.running() is None


def test_what_does_not_end_even_when_killed_is_said(group, monkeypatch):
    group.start("d1")
    wait_until(group.ready)
    group._grace_s = 0.01
    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", lambda *_: None)
        with pytest.raises(UnavailableError, match="does not end"):
            group.stop()
