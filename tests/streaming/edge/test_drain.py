"""Nobody is lost when a gateway stops, and a gateway that was killed hinders nobody."""

import contextlib
import json
import os
import signal
import socket
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from plumbline.streaming import Gateway


def received(link):
    """Return the next message, or None at the end."""
    try:
        return link.recv()
    except ConnectionClosed:
        return None


class Reader(threading.Thread):
    """Reads to the end, and remembers what came."""

    def __init__(self, url, channel):
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.link = self.stack.enter_context(connect(url, compression=None, proxy=None))
        self.link.send(json.dumps({"id": 1, "subscribe": channel}))
        assert json.loads(self.link.recv())["ok"]
        self.offsets, self.advice, self.code = [], None, None
        self.start()

    def run(self):
        try:
            while True:
                told = json.loads(self.link.recv())
                if "offset" in told:
                    self.offsets.append(told["offset"])
                else:
                    self.advice = told["reconnect"]
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else 1006
        self.stack.close()


def test_readers_get_everything_that_was_published_before_they_are_closed(start):
    gateway = start()
    readers = [Reader(gateway.url, "a") for _ in range(20)]
    told = []

    def publish():
        while any(reader.code is None for reader in readers):
            try:
                told.append(gateway.publish("a", "x" * 200))
            except Exception:  # noqa: BLE001 - the gateway has stopped
                return

    publisher = threading.Thread(target=publish)
    publisher.start()
    done = gateway.do(gateway.gateway.drain(1.0))
    publisher.join(20)
    for reader in readers:
        reader.join(20)
    assert (done.connections, done.lost) == (20, 0)
    assert {reader.code for reader in readers} == {1012}
    for reader in readers:
        assert reader.offsets == list(range(1, len(reader.offsets) + 1)), "not one is missing"
        assert reader.advice["because"] == "drain"
        assert 0 < reader.advice["after_s"] <= reader.advice["within_s"] <= 1.0
    moments = sorted(reader.advice["after_s"] for reader in readers)
    assert len(set(moments)) == 20, "each comes back at a moment of its own"


def test_who_does_not_read_is_cut_off_at_the_end_and_counted(start, raw, until):
    gateway = start(settings={"send_buffer_bytes": 4096, "close_timeout_s": 0.05})
    stuck = raw(gateway, receive_buffer=2048)
    stuck.say(id=1, subscribe="a")
    assert stuck.read_json()["ok"]
    until(lambda: gateway.publish("a", "x" * 1000) and gateway.stats["queued_messages"] >= 10)
    done = gateway.do(gateway.gateway.drain(0.1))
    assert done.connections == 1
    assert done.lost >= 10


def test_connections_that_wait_in_the_kernel_are_answered_when_the_listener_closes(start):
    gateway = start(settings={"handshake_timeout_s": 20})
    hub = gateway.gateway._hub
    where = gateway.gateway.address
    gateway.call(lambda: hub._loop.remove_reader(hub.acceptor.listener))  # nobody accepts
    waiting = []
    for _ in range(50):
        link = socket.create_connection((where.host, where.port), 20)
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.append(link)
    assert gateway.stats["accept_queue"] == 50
    gateway.do(gateway.gateway.drain(0))
    for link in waiting:
        with link:
            assert link.recv(12) in (b"HTTP/1.1 426", b"HTTP/1.1 503"), "an answer, and no reset"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((where.host, where.port), 20)


def test_those_who_come_during_the_grace_are_let_in_and_then_let_go(start, client):
    gateway = start(settings={"drain_grace_s": 1.5})
    drained = threading.Thread(target=lambda: gateway.do(gateway.gateway.drain(0.2)))
    drained.start()
    late = client(gateway)
    assert late.ask(id=1, ping=1)["ok"]
    assert late.read()["reconnect"]["because"] == "drain"
    drained.join(20)


def test_a_connection_reaches_its_age_and_is_told_before(start, client, until):
    gateway = start()
    here = client(gateway)
    gateway.set(max_connection_age_s=0.3, connection_age_jitter=0.0)
    advice = here.read()["reconnect"]
    assert advice["because"] == "lifetime"
    assert advice["after_s"] <= advice["within_s"]
    with pytest.raises(ConnectionClosed) as closed:
        here.read()
    assert closed.value.rcvd.code == 4011
    assert until(lambda: gateway.recent)[0]["reason"] == "lifetime"


def test_a_part_of_the_clients_is_asked_to_go_elsewhere(start, client, until):
    gateway = start()
    links = [client(gateway) for _ in range(6)]
    assert gateway.call(gateway.gateway.shed, 2, 0.1) == 2
    until(lambda: gateway.stats["connections"] == 4)
    assert gateway.stats["closes"] == {"balance": 2}
    assert len(links) == 6


def test_sigterm_drains_and_a_second_one_stops_at_once(process, until):
    gateway = process("--set", "drain_s=600", "--set", "close_timeout_s=0.05")
    with connect(gateway.url, compression=None, proxy=None) as link:
        gateway.child.send_signal(signal.SIGTERM)
        assert json.loads(link.recv())["reconnect"]["because"] == "drain"
        assert "draining connections=1 within_s=600.000" in until(
            lambda: gateway.log if "draining" in gateway.log else ""
        )
        gateway.child.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            link.recv()
    assert gateway.child.wait(20) == 0
    gateway.child.stdout.close()


def test_the_admin_socket_drains_and_the_process_ends(process):
    gateway = process("--set", "drain_s=600")
    with connect(gateway.url, compression=None, proxy=None) as link:
        assert gateway.ask(drain={"within_s": 0.2}) == {"connections": 1, "within_s": 0.2}
        while (told := received(link)) is not None:
            assert "reconnect" in told
    assert gateway.child.wait(20) == 0
    gateway.child.stdout.close()
    assert "drained connections=1 left=0 lost=0 took_s=" in gateway.log


@pytest.mark.parametrize("wrong", [{"within_s": -1}, {"within_s": "soon"}, 5])
def test_a_drain_in_no_time_that_can_be_is_refused(process, wrong):
    from plumbline.streaming.probes.adminclient import AdminError

    gateway = process()
    with pytest.raises(AdminError, match="within_s"):
        gateway.ask(drain=wrong)


def test_after_a_kill_the_same_command_starts_again(process):
    first = process()
    address = first.url.removeprefix("ws://").rstrip("/")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(first.url, compression=None, proxy=None))
        os.kill(first.ready["pid"], signal.SIGKILL)
        first.child.wait(20)
    first.child.stdout.close()
    second = process("--listen", address)
    assert second.url == first.url
    assert second.ask(get="stats")["connections"] == 0


def test_a_log_that_nobody_reads_holds_nobody(tmp_path):
    import subprocess
    import sys

    command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", "--admin", str(tmp_path / "a")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        url = json.loads(child.stdout.readline())["url"]
        for _ in range(700):  # each end is a line of some 170 bytes; the pipe holds 64 KiB
            with socket.create_connection((url[5:-1].split(":")[0], int(url[5:-1].split(":")[1])), 20) as link:
                link.sendall(
                    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                assert link.recv(12) == b"HTTP/1.1 101"
        with connect(url, compression=None, proxy=None) as link:
            link.send('{"id":1,"ping":1}')
            assert json.loads(link.recv(timeout=20))["ok"]
    finally:
        child.kill()
        child.communicate()


def test_lines_that_find_no_room_are_counted_and_the_gap_is_said():
    import logging

    from plumbline.streaming.server.logwriter import LogWriter

    reading, writing = os.pipe()
    writer = LogWriter(writing, most=10)
    log = logging.Logger("test")  # noqa: LOG001 - one that leaves nothing behind
    log.addHandler(writer)
    for number in range(3000):
        log.info("%s %s", number, "x" * 100)
    assert writer.dropped > 0
    got = b""
    while b"log lines dropped" not in got:
        got += os.read(reading, 65536)
    writer.flush()
    os.close(reading)
    assert f"lines={writer.dropped}".encode() in got or writer.dropped > 0


def test_nothing_of_a_connection_that_is_gone_waits_for_the_collector(start, raw, until):
    import gc
    import weakref

    gateway = start()
    gc.disable()
    try:
        links = [raw(gateway) for _ in range(5)]
        hub = gateway.gateway._hub
        watched = [weakref.ref(connection.link.sock) for connection in hub.connections.values()]
        for link in links:
            link.close()
        until(lambda: gateway.stats["connections"] == 0)
        until(lambda: all(reference() is None for reference in watched), "every socket object to be freed")
    finally:
        gc.enable()


def test_a_gateway_drains_only_while_it_runs():
    gateway = Gateway()
    with pytest.raises(RuntimeError, match="does not run"):
        gateway.shed(1, 1.0)
    assert time.monotonic() > 0
