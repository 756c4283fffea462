"""However a runner ends, by its own will or killed, none of its processes outlives it."""

import contextlib
import signal
import subprocess
import sys
import time

import psutil
import pytest

from plumbline.diagnosis.runner import Runner
from plumbline.evidence import Endpoint

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a facility of the Linux kernel")
HERE = Endpoint(name="here", url="ws://127.0.0.1:1/")
SPIN = "while True: pass"
SCRIPT = """
import sys
from plumbline.catalogue import Catalogue
from plumbline.diagnosis.runner import Runner
from plumbline.evidence import Endpoint
from pathlib import Path

with Runner(Catalogue(Path(sys.argv[1]))) as runner:
    runner.run(None, Endpoint("here"), lambda event: print(event["event"], flush=True))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runner")


def test_a_closed_runner_judges_no_more_and_ends_its_worker(write, source, folder):
    with Runner(write(folder / "closed", {"host.fine": source()})) as own:
        before = {one.pid for one in psutil.Process().children()}
        own.close()
        assert len({one.pid for one in psutil.Process().children()}) == len(before) - 1
        assert [result.reason for result in own.run(["host.fine"], HERE).results] == ["cancelled"]


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about within 30 s"
        time.sleep(0.01)


@LINUX
def test_workers_die_with_a_parent_that_is_killed(write, source, folder):
    catalogue = write(folder / "orphans", {"host.hangs": source(SPIN)})
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(catalogue.root)], stdout=subprocess.PIPE) as parent:
        _until(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == 2)
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


@LINUX
def test_jobs_die_with_a_worker_that_is_killed(write, source, folder):
    catalogue = write(folder / "worker", {"host.hangs": source(SPIN)})
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(catalogue.root)], stdout=subprocess.PIPE) as parent:
        try:
            _until(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == 2)
            (worker,) = psutil.Process(parent.pid).children()
            (job,) = worker.children()
            worker.kill()
            _, alive = psutil.wait_procs([job], timeout=20)
            assert alive == []
        finally:
            with contextlib.suppress(ProcessLookupError):
                parent.kill()
