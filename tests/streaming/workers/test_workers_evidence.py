"""How connections are spread, as evidence: from a supervisor, from one gateway, from any server's processes."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.evidence import Worker, Workers
from plumbline.streaming.evidence_workers import workers_from_admin, workers_from_pid
from plumbline.streaming.probes import family

FORKING = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
kept = []
for number in range(2):
    if os.fork() == 0:
        for _ in range(number + 1):
            kept.append(listener.accept())
        os.write(1, b"full" + bytes([10]))
        sys.stdin.read()
        os._exit(0)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="another process's connections can be counted on Linux only")
def test_the_processes_of_any_server_are_counted_and_its_idle_master_is_left_out():
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = int(server.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert [server.stdout.readline() for _ in range(2)] == ["full\n"] * 2
        found = workers_from_pid(Endpoint("any", pid=server.pid))
        assert sorted(found.counts) == [1, 2]
        assert server.pid not in {item.pid for item in found.workers}
        assert found.spread == pytest.approx(2 / 1.5)
        assert all(item.resident_bytes > 0 for item in found.workers)
        for client in clients:
            client.close()
        server.stdin.close()


def stat(pid, parent, group, name="a b) c"):
    return f"{pid} ({name}) S {parent} {group} 1 0"


def test_a_server_is_its_descendants_and_the_group_that_it_leads(tmp_path):
    for pid, parent, group in [(10, 1, 10), (11, 10, 10), (12, 11, 99), (13, 1, 10), (14, 1, 14), (15, 13, 15)]:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(stat(pid, parent, group))
    (tmp_path / "77").mkdir()  # it ended between two looks
    (tmp_path / "sys").mkdir()
    assert family.members(10, tmp_path) == [10, 11, 12, 13, 15]
    assert family.members(11, tmp_path) == [11, 12]
    with pytest.raises(FileNotFoundError):
        family.members(9, tmp_path)


def test_a_process_that_is_not_there_is_unreachable():
    with pytest.raises(UnavailableError, match="there is no process") as failed:
        workers_from_pid(Endpoint("any", pid=2**22 - 1))
    assert failed.value.reason == "unreachable"


def test_another_users_process_says_how_to_look(monkeypatch):
    def refuse(pid):
        raise PermissionError(pid)

    monkeypatch.setattr(family, "serving", refuse)
    with pytest.raises(UnavailableError, match="belongs to another user") as failed:
        workers_from_pid(Endpoint("any", pid=1))
    assert failed.value.reason == "permission"


def test_elsewhere_than_on_linux_it_is_unsupported(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as failed:
        workers_from_pid(Endpoint("any", pid=1))
    assert failed.value.reason == "unsupported_platform"


@pytest.fixture
def answering(tmp_path):
    """Return a function that serves these answers, one a connection, on an admin socket."""
    path = str(tmp_path / "a.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def begin(*answers):
        def serve():
            for answer in answers:
                link, _ = listener.accept()
                with link:
                    link.recv(65536)
                    link.sendall(json.dumps(answer).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return Endpoint("gw", admin=path)

    yield begin
    listener.close()


def test_a_gateway_of_one_process_is_one_worker(answering):
    endpoint = answering(
        {"ok": False, "error": "there is no view 'workers'; there are stats"},
        {"ok": True, "result": {"pid": 7, "connections": 3, "loop_lag_s": 0.1, "pings": 9}},
        {"ok": True, "result": {"balance_interval_s": 0.0}},
    )
    found = workers_from_admin(endpoint)
    assert found.workers == (Worker("gateway", 7, "ready", 3, loop_lag_s=0.1),)
    assert (found.spread, found.connections, found.balance_interval_s) == (None, 3, 0.0)


@pytest.mark.parametrize("rows", [[{"pid": 1}], [3], "x"])
def test_an_answer_of_another_form_is_malformed(answering, rows):
    endpoint = answering({"ok": True, "result": {"workers": rows}}, {"ok": True, "result": {}})
    with pytest.raises(UnavailableError) as failed:
        workers_from_admin(endpoint)
    assert failed.value.reason == "malformed"


def test_a_refusal_is_not_taken_for_a_single_gateway(answering):
    with pytest.raises(UnavailableError, match="not now"):
        workers_from_admin(answering({"ok": False, "error": "not now"}))


def test_the_spread_counts_those_that_serve():
    def workers(*rows):
        return Workers(tuple(Worker(str(number), number, state, count) for number, (state, count) in enumerate(rows)))

    assert workers(("ready", 30), ("ready", 10), ("draining", 500), ("starting", None)).spread == 1.5
    assert workers(("ready", 0), ("ready", 0)).spread is None
    assert workers(("ready", 5)).spread is None
    assert workers().spread is None
