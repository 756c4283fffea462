"""Vital numbers: rates between two looks, worker by worker."""

import asyncio
import json
import socket
import threading
from pathlib import Path

import pytest

from plumbline.streaming import Gateway
from plumbline.streaming.probes.adminclient import AdminError
from plumbline.streaming.probes.live import Look, as_json, between, look


def stats(pid=1, **changed):
    zero = dict.fromkeys(("connections", "subscriptions", "queued_bytes", "fullest_queue_bytes", "resident_bytes"), 0)
    counters = {"deliveries": 0, "published": 0, "accepted": 0, "closes": {}, "dropped": {}}
    return {**zero, **counters, "loop_lag_s": 0.0, "accept_queue": None, "pid": pid, **changed}


def test_rates_are_differences_per_second():
    before = Look(10.0, {"gateway": stats(deliveries=100, closes={"normal": 1})})
    now = Look(12.0, {"gateway": stats(deliveries=400, closes={"normal": 2, "lost": 3}, connections=7)})
    (one,) = between(before, now)
    assert (one.deliveries_per_s, one.closed_per_s, one.connections) == (150.0, 2.0, 7)


def test_the_first_look_has_no_rates():
    (one,) = between(None, Look(10.0, {"gateway": stats(deliveries=100)}))
    assert one.deliveries_per_s is None


def test_a_worker_that_was_started_anew_has_no_rates_and_no_negative_ones():
    before = Look(10.0, {"worker-0": stats(pid=1, deliveries=100)})
    (one,) = between(before, Look(11.0, {"worker-0": stats(pid=2, deliveries=5)}))
    assert one.deliveries_per_s is None


def test_each_worker_is_asked_and_one_that_is_gone_is_left_out(tmp_path: Path):
    for number in (10, 2, 1):
        (tmp_path / f"admin.worker-{number}").touch()

    def get(path):
        if path.name.endswith("-2"):
            raise AdminError("unreachable", "gone")
        return stats(pid=int(path.name.rpartition("-")[2]))

    found = look(tmp_path / "admin", clock=lambda: 5.0, get=get)
    assert list(found.workers) == ["worker-1", "worker-10"]
    assert found.at == 5.0


def test_without_workers_the_gateway_itself_is_asked_and_its_absence_is_told(tmp_path: Path):
    with pytest.raises(AdminError, match="no admin socket"):
        look(tmp_path / "admin")


async def _two_looks(path):
    async with Gateway(admin=path) as gateway:
        first = await asyncio.to_thread(look, path, lambda: 0.0)
        for number in range(3):
            await gateway.publish("scores", number)
        return between(first, await asyncio.to_thread(look, path, lambda: 2.0))


def test_a_real_gateways_stats_hold_all_that_is_shown(tmp_path: Path):
    (one,) = as_json(asyncio.run(_two_looks(tmp_path / "a.sock")))
    assert one["worker"] == "gateway"
    assert one["published_per_s"] == 1.5


def test_workers_that_listen_under_a_long_path_are_found(tmp_path, monkeypatch):
    """A gateway started with `--admin admin.sock` knows nothing of how long its folder's path is."""
    deep = tmp_path / ("far" * 20) / ("away" * 15)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    answer = json.dumps({"ok": True, "result": {"connections": 7}}).encode() + b"\n"

    def once(listening: socket.socket) -> None:
        link, _ = listening.accept()
        with link:
            link.recv(4096)
            link.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("admin.sock.worker-0")
        listening.listen()
        thread = threading.Thread(target=once, args=(listening,))
        thread.start()
        found = look(deep / "admin.sock")
        thread.join()
    assert found.workers == {"worker-0": {"connections": 7}}
