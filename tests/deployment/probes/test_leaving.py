"""Questions in flight while processes come and go: what was cut, who ended, and whether it took SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from plumbline.deployment import evidence_leaving
from plumbline.deployment.probes import leaving
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.churn import MODEL, asks

POOL = [sys.executable, "-m", "plumbline.lab.servers.pool"]


@pytest.fixture
def golden(tmp_path: Path) -> str:
    path = tmp_path / "golden.json"
    path.write_text(json.dumps([{"body": one.body, "expect": one.expect} for one in asks()]))
    return str(path)


@pytest.fixture
def pool(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "pool.json"
    config.write_text(json.dumps({"work_s": 0.05, "grace_s": 30.0}))
    with subprocess.Popen([*POOL, str(port), str(config)], stderr=subprocess.DEVNULL) as process:
        listening(port)
        yield process, port, config
        process.terminate()


def listening(port: int) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)


def seen_beside_reloads(process, port: int, golden: str) -> evidence_leaving.Leaving:
    """Watch, while the pool is told again and again to replace its workers."""
    over = threading.Event()

    def reload() -> None:
        while not over.wait(0.1):
            process.send_signal(signal.SIGHUP)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        endpoint = Endpoint("x", url=f"http://127.0.0.1:{port}/", pid=process.pid, model=MODEL, golden=golden)
        return evidence_leaving.leaving_from_url(endpoint)
    finally:
        over.set()
        thread.join()


def test_workers_with_time_to_end_lose_nothing(pool, golden, monkeypatch):
    monkeypatch.setattr(leaving, "WATCH_S", 1.5)
    process, port, _ = pool
    seen = seen_beside_reloads(process, port, golden)
    assert seen.asked > 0
    assert (seen.cut, seen.turned_away) == (0, 0)
    assert seen.ended
    assert seen.granted_s is None


def test_workers_that_are_killed_cut_what_they_were_answering(pool, golden, monkeypatch):
    monkeypatch.setattr(leaving, "WATCH_S", 1.0)
    process, port, config = pool
    config.write_text(json.dumps({"work_s": 0.3, "grace_s": 0.0}))
    process.send_signal(signal.SIGHUP)  # from now on an answer takes its time
    seen = seen_beside_reloads(process, port, golden)
    assert seen.cut >= 2
    assert seen.ended


def test_what_was_lost_says_nothing_new_once_it_is_enough():
    family = leaving.Family(os.getpid())
    tally = leaving.Tally(requests=9)
    tally.failures["closed"] = leaving.ENOUGH
    assert not leaving._told(tally, None)
    assert not leaving._told(tally, family)
    family.ended[1] = True
    assert leaving._told(tally, family)
    tally.requests = leaving.ENOUGH
    assert not leaving._told(tally, family)


def test_a_process_without_a_handler_is_deaf_and_one_that_waits_for_the_signal_is_not():
    block = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})"
    for handling, wanted in (("pass", False), (block, True), ("signal.signal(15, print)", True)):
        code = f"import signal; {handling}; print(1, flush=True); input()"
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=-1, stdout=-1) as child:
            child.stdout.readline()
            family = leaving.Family(child.pid)
            assert family.alive == {child.pid: wanted}
            child.communicate(b"\n")
        family.look()
        assert family.ended == {child.pid: wanted}


def test_the_grace_on_the_command_line_is_read(tmp_path):
    place = tmp_path / "4711"
    place.mkdir()
    for line, grace in (
        ("gunicorn\0--graceful-timeout\0" + "45\0app", 45.0),
        ("uvicorn\0--timeout-graceful-shutdown=5\0app", 5.0),
        ("python\0serve.py", None),
    ):
        (place / "cmdline").write_text(line)
        assert leaving.Family(4711, tmp_path).granted_s == grace
    assert leaving.Family(4712, tmp_path).granted_s is None


def test_what_cannot_be_asked_is_told(golden):
    with pytest.raises(UnavailableError, match=r"no http:// address"):
        leaving.watch(Endpoint("x", url="https://h", model="m", golden=golden))


def test_a_server_that_is_not_there_cannot_be_judged(golden, monkeypatch):
    monkeypatch.setattr(leaving, "WATCH_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = Endpoint("x", url=f"http://127.0.0.1:{port}", pid=os.getpid(), model="m", golden=golden)
    with pytest.raises(UnavailableError, match="questions was answered"):
        leaving.watch(endpoint)
