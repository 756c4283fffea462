"""The log keeps what was logged, through crashes, full disks and several writers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.deployment.core.errors import FullError, InvalidError, UnavailableError
from plumbline.deployment.experiments.log import Exposure, Log, Outcome, read

SEEN = Exposure("u1", "control", 1.0, {"platform": "ios"})
BOUGHT = Outcome("u1", "bought", 1.0, 2.0)


def test_what_is_logged_is_read_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "deep" / "log.jsonl")
    log.add(SEEN)
    log.add(BOUGHT)
    log.close()
    log.close()
    found = read(log.path)
    assert (found.exposures, found.outcomes, found.torn) == ([SEEN], [BOUGHT], 0)


def test_a_line_that_a_crash_cut_off_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"kind":"exposure","unit":"u0","arm":"con')
    log = Log(path)
    log.add(SEEN)
    found = read(path)
    assert (found.exposures, found.torn) == ([SEEN], 1)
    log.close()


def test_a_line_that_is_no_entry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind":"exposure","unit":"u1","arm":"control","at":1}\n\n{"kind":"click","unit":"u1"}\n')
    with pytest.raises(InvalidError, match=r"log\.jsonl:3: expected .*not 'click'"):
        read(path)
    path.write_text('{"kind":"outcome","unit":"u1","metric":"m","value":"many","at":1}\n')
    with pytest.raises(InvalidError, match=r"log\.jsonl:1: .*\$\.value"):
        read(path)


def test_a_log_that_is_not_there_or_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="No such file"):
        read(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnavailableError, match="directory"):
        Log(tmp_path / "folder")


def test_several_processes_write_one_log(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from plumbline.deployment.experiments.log import Exposure, Log\n"
        "log, arm = Log(Path(sys.argv[1]), sync_s=1e9), sys.argv[2]\n"
        "for n in range(2_000):\n    log.add(Exposure(f'{arm}-{n}', arm, float(n)))\n"
    )
    path = tmp_path / "log.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), arm]) for arm in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len({one.unit for one in read(path).exposures}) == 4_000


def test_a_killed_writer_has_logged_all_that_it_was_told_is_logged(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from plumbline.deployment.experiments.log import Exposure, Log\n"
        "log = Log(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n    log.add(Exposure(str(n), 'a', float(n)))\n    print(n, flush=True)\n"
    )
    path = tmp_path / "log.jsonl"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(50)][-1]
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert {str(number) for number in range(told + 1)} <= {one.unit for one in read(path).exposures}
    child.stdout.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_and_not_a_lost_entry() -> None:
    log = Log(Path("/dev/full"))
    with pytest.raises(FullError, match="the entry is not logged"):
        log.add(SEEN)
    log.close()


def test_a_line_cut_off_behind_a_brace_is_torn_and_not_wrong(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    whole = b'{"kind":"exposure","unit":"u0","arm":"control","at":1.0,"dimensions":{"platform":"ios"}}\n'
    for end in range(1, len(whole) - 1):
        path.write_bytes(whole + whole[:end])
        found = read(path)
        assert (len(found.exposures), found.torn) == (1, 1), whole[:end]


def test_zeros_that_a_power_cut_leaves_are_torn(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"kind":"exposure","unit":"u0","arm":"control","at":1.0}\n' + bytes(40))
    assert (len(read(path).exposures), read(path).torn) == (1, 1)


def test_a_writer_that_stays_open_is_not_harmed_by_one_that_dies(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl", sync_s=60) as log:
        log.add(SEEN)
        with log.path.open("ab") as dying:
            dying.write(b'{"kind":"outcome","un')
        log.add(BOUGHT, SEEN)
    found = read(log.path)
    assert (found.exposures, found.outcomes, found.torn) == ([SEEN, SEEN], [BOUGHT], 1)


def test_a_value_that_is_not_finite_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl") as log, pytest.raises(InvalidError, match="log finite values only"):
        log.add(SEEN, Outcome("u1", "spent", float("nan"), 2.0))
    assert log.path.read_bytes() == b""


def test_what_a_full_disk_cut_short_is_taken_back(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from plumbline.deployment.core.errors import FullError\n"
        "from plumbline.deployment.experiments.log import Exposure, Log\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))\n"
        "log = Log(Path(sys.argv[1]))\n"
        "try:\n    [log.add(Exposure(str(n), 'a', 1.0)) for n in range(9)]\n"
        "except FullError as error:\n    print(error.sentence)\n"
    )
    path = tmp_path / "log.jsonl"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert "the entry is not logged" in done.stdout
    assert path.read_bytes().endswith(b"}\n")
    assert (len(read(path).exposures), read(path).torn) == (path.read_bytes().count(b"\n"), 0)
