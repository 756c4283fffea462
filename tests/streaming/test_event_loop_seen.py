"""What a server's loop does instead of waiting for events, seen in real processes and on real connections."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.client import connect

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.evidence_loop import loop_from_admin, loop_from_pid, pings_from_url
from plumbline.streaming.probes import threads
from plumbline.streaming.probes.pings import LATE_S, together

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SERVER = """
import asyncio, sys, time
async def main():
    async def talk(reader, writer):
        while await reader.read(100):
            {work}
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextlib.contextmanager
def server(work: str) -> Iterator[tuple[int, int]]:
    """Run an asyncio server in a process of its own; yield its pid and port."""
    code = textwrap.dedent(SERVER).replace("{work}", work)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.pid, int(child.stdout.readline())
        finally:
            child.kill()


@contextlib.contextmanager
def busy(port: int) -> Iterator[None]:
    """Send a byte again and again, from two connections."""
    import socket

    stop = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as link:
            while not stop.is_set():
                link.sendall(b"x" * 200)
                time.sleep(0.01)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for one in senders:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in senders:
            one.join()


@linux
def test_an_idle_loop_is_never_away_for_long() -> None:
    with server("pass") as (pid, _):
        seen = loop_from_pid(Endpoint("idle", pid=pid))
    assert seen.away_s is not None
    assert seen.away_s < 0.2
    assert seen.unread == 0


@linux
def test_a_sleep_in_a_callback_is_named_and_leaves_data_unread() -> None:
    with server("time.sleep(0.6)") as (pid, port), busy(port):
        seen = loop_from_pid(Endpoint("sleeper", pid=pid, patience_s=4.0))
    assert seen.away_s is not None
    assert seen.away_s > 0.3
    assert seen.doing in ("clock_nanosleep", "nanosleep")
    assert seen.unread is not None
    assert seen.unread >= 1
    assert seen.cpu_ratio is not None
    assert seen.cpu_ratio < 0.5


@linux
def test_who_a_blocking_read_waits_for_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as database:
        where = database.getsockname()[1]
        work = f"import socket; socket.create_connection(('127.0.0.1', {where})).recv(1)"
        with server(work) as (pid, port), busy(port):
            seen = loop_from_pid(Endpoint("reader", pid=pid, patience_s=4.0))
    assert seen.doing in ("recvfrom", "read")
    assert seen.waits_for == f"127.0.0.1:{where}"


@linux
def test_computing_is_seen_as_such() -> None:
    work = "end = time.thread_time() + 0.5\n            while time.thread_time() < end: pass"
    with server(work) as (pid, port), busy(port):
        seen = loop_from_pid(Endpoint("thinker", pid=pid, patience_s=4.0))
    assert seen.doing == threads.RUNNING
    assert (seen.cpu_ratio or 0.0) + (seen.starved_ratio or 0.0) > 0.5


@linux
def test_a_process_that_is_not_there_and_one_without_a_loop() -> None:
    with pytest.raises(UnavailableError, match="there is no process"):
        loop_from_pid(Endpoint("gone", pid=2**22 - 3))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        seen = loop_from_pid(Endpoint("plain", pid=child.pid))
        child.kill()
    assert seen.away_s is None


@linux
def test_a_watch_goes_on_when_one_of_several_processes_ends() -> None:
    with server("pass") as (pid, _):
        one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        looks: list[float] = []

        def pause(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                one.kill()
                one.wait()

        found = threads.watch([pid, one.pid], 10.0, clock=lambda: len(looks) * 1.0, pause=pause)
    assert [each.pid for each in found] == [pid]
    with pytest.raises(FileNotFoundError):
        threads.watch([one.pid], 0.1)


def test_elsewhere_than_on_linux_it_says_so(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as failed:
        loop_from_pid(Endpoint("mac", pid=os.getpid()))
    assert failed.value.reason == "unsupported_platform"


def test_the_gateway_tells_its_lag(start, tmp_path) -> None:
    start(admin=tmp_path / "a.sock")
    told = loop_from_admin(Endpoint("gw", admin=str(tmp_path / "a.sock")))
    assert told.lag_s is not None
    assert told.away_s is None


def test_pings_of_a_gateway_come_back_and_its_messages_do_not_pile_up(start) -> None:
    gateway = start()
    with connect(gateway.url, proxy=None):
        seen = pings_from_url(Endpoint("gw", url=gateway.url, patience_s=1.0))
    assert seen.connections == 3
    assert seen.pings >= 3
    assert seen.median_s <= seen.worst_s
    assert seen.stall_s < seen.watched_s


STALLING = """
import asyncio, time
from websockets.asyncio.server import serve
async def talk(connection):
    await connection.wait_closed()
async def main():
    async with serve(talk, "127.0.0.1", 0, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        while True:
            await asyncio.sleep(0.2)
            time.sleep(0.6)
asyncio.run(main())
"""


def test_a_loop_that_sleeps_stalls_all_pings_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", STALLING], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            url = f"ws://127.0.0.1:{int(child.stdout.readline())}"
            seen = pings_from_url(Endpoint("sleeper", url=url, patience_s=4.0))
        finally:
            child.kill()
    assert seen.stall_s > 0.3


def test_who_cannot_be_pinged_says_why() -> None:
    with pytest.raises(UnavailableError, match="nothing answers"):
        pings_from_url(Endpoint("gone", url="ws://127.0.0.1:1/"))
    with pytest.raises(UnavailableError, match="names no url"):
        pings_from_url(Endpoint("none"))


def test_a_stall_is_what_all_connections_share() -> None:
    first, second = [(0.0, 0.01), (1.0, 1.6)], [(1.2, 1.9), (3.0, 4.0)]
    assert together([first, second]) == pytest.approx(0.39), "the way there and back is the fastest wait"
    assert together([first, [(5.0, 6.0)]]) == 0.0
    assert together([]) == 0.0


def pinged(answered_at, start):
    """Pings 20 times a second for two seconds, each with the moment of its pong."""
    moments = [start + 0.05 * number for number in range(40)]
    return [(one, answered_at(one)) for one in moments]


def test_a_long_way_and_a_slow_server_do_not_stand_still() -> None:
    def stuck(sent: float) -> float:  # a way of 0.3 s, and a server that answers nothing from 0.5 s to 1.2 s
        return 1.2 if 0.5 <= sent + 0.3 < 1.2 else sent + 0.3

    starts = (0.0, 0.001, 0.002)
    assert together([pinged(lambda sent: sent + 0.3, start) for start in starts]) < 0.06
    assert together([pinged(lambda sent: 1.1 * sent + 0.2, start) for start in starts]) < 0.06, "later and later"
    assert together([pinged(stuck, start) for start in starts]) == pytest.approx(0.7, abs=0.06)


spans = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 2)).map(lambda one: (one[0], one[0] + one[1])), max_size=8)


@given(st.lists(spans, min_size=1, max_size=4))
def test_no_stall_is_longer_than_the_longest_of_each_connection_together(all_spans) -> None:
    found = together(all_spans)
    assert found >= 0.0
    for each in all_spans:
        late = [end - start for start, end in each if end - start >= LATE_S]
        assert found <= sum(late) + 1e-9
