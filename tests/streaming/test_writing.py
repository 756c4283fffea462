"""How frames reach the socket, and what happens when they do not."""

import socket
from types import SimpleNamespace

from plumbline.streaming.server import connection as connections
from plumbline.streaming.server import link as links


def patched(monkeypatch, **calls):
    """Stand in front of the kernel: links write, and so does what writes to all readers at once."""
    for module in (links, connections):
        monkeypatch.setattr(module, "os", SimpleNamespace(**calls))


def test_messages_of_one_turn_cost_each_reader_one_write(start, client, monkeypatch):
    gateway = start()
    readers = [client(gateway) for _ in range(3)]
    for reader in readers:
        reader.ask(id=1, subscribe="a")
    real, written = links.os.write, []

    def write(fd, data):
        written.append(data)
        return real(fd, data)

    patched(monkeypatch, write=write, writev=links.os.writev)

    async def burst():
        for number in range(100):
            await gateway.gateway.publish("a", number)

    gateway.do(burst())
    for reader in readers:
        assert [reader.read()["data"] for _ in range(100)] == list(range(100))
    assert len(written) == 3
    assert all(data is written[0] for data in written), "joined once for all"


def test_messages_of_several_channels_in_one_turn_reach_a_reader_in_few_writes(start, client, monkeypatch):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    reader.ask(id=2, subscribe="b")
    real, calls = links.os, []

    def write(fd, data):
        calls.append(1)
        return real.write(fd, data)

    def writev(fd, frames):
        calls.append(len(frames))
        return real.writev(fd, frames)

    patched(monkeypatch, write=write, writev=writev)

    async def burst():
        for number in range(50):
            await gateway.gateway.publish("a", number)
            await gateway.gateway.publish("b", number)

    gateway.do(burst())
    assert [reader.read()["data"] for _ in range(100)] == [number for number in range(50) for _ in "ab"]
    assert sum(calls) == 100, "the first goes out directly"
    assert len(calls) <= 4


def test_the_kernels_share_of_the_backlog_changes_on_live_connections(start, client):
    gateway = start()
    client(gateway)
    gateway.set(notsent_lowat_bytes=65536, heartbeat_interval_s=9)

    def lowats():
        hub = gateway.gateway._hub
        sockets = [connection.link.sock for connection in hub.connections.values()]
        return [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) for one in [hub.listener(), *sockets]]

    assert gateway.call(lowats) == [65536, 65536]


def test_a_write_to_a_broken_connection_drops_it_and_reaches_the_others(start, client, raw, until, monkeypatch):
    gateway = start()
    broken, fine = raw(gateway), client(gateway)
    for link in (broken, fine):
        (link.say if link is broken else link.send)(id=1, subscribe="a")
    assert broken.read_json()["ok"]
    assert fine.read()["ok"]
    real = links.os.write
    fd = gateway.call(lambda: gateway.gateway._hub.connections[1].fd)

    def write(to, data):
        if to == fd:
            raise BrokenPipeError
        return real(to, data)

    patched(monkeypatch, write=write, writev=links.os.writev)
    gateway.publish("a", 1)
    assert fine.read()["data"] == 1
    until(lambda: gateway.stats["closes"] == {"lost": 1})


def test_an_error_inside_closes_one_connection_with_1011_and_is_logged(start, client, raw, until, monkeypatch, caplog):
    gateway = start(settings={"close_timeout_s": 0.05})
    fine, unlucky = client(gateway), raw(gateway)
    monkeypatch.setattr("plumbline.streaming.server.requests.parse_all", lambda text, most: 1 / 0)
    unlucky.say(id=1, ping=1)
    assert unlucky.read_close()[0] == 1011
    monkeypatch.undo()
    until(lambda: gateway.stats["closes"] == {"internal-error": 1})
    assert "internal error" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert fine.ask(id=1, ping=1)["ok"]
