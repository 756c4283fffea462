"""Evidence about a real gateway, about servers that are none, and about what cannot be read."""

import os
import socket
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence
from plumbline.streaming.evidence import Closes, IdleLifetime, OutboundQueue, OutboundQueues
from plumbline.streaming.probes import sockets

RECORDS = [OutboundQueues, Closes, IdleLifetime]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_says_its_unit_and_meaning_and_every_source_what_it_reads(record):
    for field in record.__dataclass_fields__.values():
        if field.name != "sources":
            assert set(field.metadata) == {"unit", "doc", "secrecy"}, field.name
    endpoint = dict.fromkeys(("pid", "admin", "url", "patience_s"), "X")
    for source in record.sources:
        assert source.needs
        assert "X" in source.reads.format(**endpoint)


def test_queues_of_a_gateway_name_the_slow_one_first(start, client, raw, tmp_path):
    gateway = start(admin=tmp_path / "a.sock", settings={"overflow": "drop-oldest", "heartbeat_interval_s": 0})
    endpoint = Endpoint("gw", admin=str(tmp_path / "a.sock"))
    slow, quick = raw(gateway, receive_buffer=4096), client(gateway)
    slow.say(id=1, subscribe="a")
    assert slow.read_json()["ok"]
    quick.ask(id=1, ping=1)
    for _ in range(300):
        gateway.publish("a", "x" * 4000)

    queues = evidence.queues_from_admin(endpoint)
    assert queues.connections == 2
    assert queues.overflow == "drop-oldest"
    assert queues.limit_bytes == 1 << 20
    assert queues.queued_bytes == queues.queues[0].queued_bytes > 500_000
    assert queues.queues[0].connection.startswith("c1/127.0.0.1:")
    assert queues.queues[0].oldest_s >= 0
    assert queues.queues[1].queued_bytes == 0
    assert queues.resident_bytes > 1 << 20
    adapter = TypeAdapter(OutboundQueues)
    assert adapter.validate_json(adapter.dump_json(queues)) == queues


@linux
def test_queues_of_any_server_are_read_from_its_pid():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            server.setblocking(False)
            sent = server.send(b"x" * 1_000_000)
            queues = evidence.queues_from_pid(Endpoint("any", pid=os.getpid()))
    stalled = [queue for queue in queues.queues if queue.queued_bytes > 0]
    assert len(stalled) == 1, "the client's own side is not counted: this process listens"
    assert 0 < stalled[0].queued_bytes <= sent
    assert stalled[0].kernel_unsent_bytes == stalled[0].queued_bytes
    assert queues.connections == 1
    assert (queues.limit_bytes, queues.overflow) == (None, "unknown")


@linux
def test_a_process_that_is_not_there_is_unreachable():
    with pytest.raises(UnavailableError, match="no process 999999999") as error:
        evidence.queues_from_pid(Endpoint("gone", pid=999999999))
    assert error.value.reason == "unreachable"


@linux
def test_a_process_of_another_user_is_a_matter_of_permission(monkeypatch):
    def denied(path):
        raise PermissionError(path)

    monkeypatch.setattr(sockets.os, "scandir", denied)
    with pytest.raises(UnavailableError, match="belongs to another user") as error:
        evidence.queues_from_pid(Endpoint("other", pid=1))
    assert error.value.reason == "permission"


def test_outside_of_linux_a_pid_says_unsupported(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as error:
        evidence.queues_from_pid(Endpoint("mac", pid=1))
    assert error.value.reason == "unsupported_platform"


def test_closes_of_a_gateway_are_newest_first(start, client, raw, tmp_path, until):
    gateway = start(admin=tmp_path / "a.sock", settings={"heartbeat_interval_s": 3})
    raw(gateway).close()
    until(lambda: gateway.stats["closes"] == {"lost": 1})
    client(gateway).link.close()
    until(lambda: gateway.stats["connections"] == 0)
    closes = evidence.closes_from_admin(Endpoint("gw", admin=str(tmp_path / "a.sock")))
    assert closes.heartbeat_interval_s == 3
    assert [(close.code, close.clean) for close in closes.recent] == [(1000, True), (1006, False)]
    adapter = TypeAdapter(Closes)
    assert adapter.validate_json(adapter.dump_json(closes)) == closes


@pytest.mark.parametrize("read", [evidence.queues_from_admin, evidence.closes_from_admin])
def test_without_an_admin_socket_there_is_no_evidence(read, tmp_path):
    with pytest.raises(UnavailableError) as error:
        read(Endpoint("none"))
    assert error.value.reason == "not_configured"
    with pytest.raises(UnavailableError) as error:
        read(Endpoint("gone", admin=str(tmp_path / "none.sock")))
    assert error.value.reason == "unreachable"


@pytest.mark.parametrize("read", [evidence.queues_from_admin, evidence.closes_from_admin])
@pytest.mark.parametrize("answer", [{}, {"queues": [{"x": 1}], "recent": [{"x": 1}]}, {"queues": 1, "recent": 1}, []])
def test_an_answer_of_another_version_is_malformed(monkeypatch, read, answer):
    monkeypatch.setattr("plumbline.streaming.probes.adminclient.ask", lambda path, request, timeout_s: answer)
    with pytest.raises(UnavailableError) as error:
        read(Endpoint("old", admin="/x"))
    assert error.value.reason == "malformed"


def test_a_refusal_of_the_admin_socket_is_malformed_too(start, tmp_path):
    start(admin=tmp_path / "a.sock")
    with pytest.raises(UnavailableError) as error:
        evidence.asked(Endpoint("gw", admin=str(tmp_path / "a.sock")), "nothing")
    assert error.value.reason == "malformed"


def test_without_a_pid_there_is_no_evidence(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UnavailableError) as error:
        evidence.queues_from_pid(Endpoint("none"))
    assert error.value.reason == "not_configured"


def test_idle_lifetime_of_a_gateway_shows_its_heartbeat(start):
    gateway = start(settings={"heartbeat_interval_s": 0.1})
    idle = IdleLifetime.sources[0].read(Endpoint("gw", url=gateway.url, patience_s=20))
    assert idle.first_ping_s is not None
    assert idle.closed_after_s is None


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00001000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
   2: 0100007F:9C41 0100007F:0050 01 00000010:00000000 00:00000000 00000000     0        0 13 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:9C42 01 00000020:00000000 00:00000000 00000000     0        0 14 1 0 20 4 30 10 -1
 garbage
"""


def fake_process(proc: Path, inodes, table=TABLE):
    home = proc / "7"
    (home / "fd").mkdir(parents=True)
    (home / "net").mkdir()
    (home / "net" / "tcp").write_text(table)
    for number, inode in enumerate(inodes):
        (home / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    (home / "fd" / "99").symlink_to("/dev/null")


def test_only_connections_that_came_in_are_taken_from_a_process_that_listens(tmp_path):
    fake_process(tmp_path, [11, 12, 13])
    assert [row.send_queue for row in sockets.connections(7, tmp_path)] == [4096]


def test_all_connections_are_taken_from_a_process_that_listens_nowhere(tmp_path):
    fake_process(tmp_path, [12, 13])
    assert [row.send_queue for row in sockets.connections(7, tmp_path)] == [4096, 16]


def test_a_queue_from_outside_has_no_numbers_it_cannot_know():
    assert OutboundQueue("a-b", 5).queued_messages is None
