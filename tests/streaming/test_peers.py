"""Dead peers are told from live ones by the kernel, and a server from outside by what it does to who is mute."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.server import ServerConnection, serve

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host.peers import judged, of_process
from plumbline.host.tcp import ESTABLISHED, LISTEN, RETRANSMIT, TcpInfo, TcpSocket
from plumbline.streaming import evidence_heartbeats
from plumbline.streaming.evidence_heartbeats import heartbeats_from_admin, unanswered_from_url
from plumbline.streaming.probes import mute


def row(port: int, *, inode: int = 1, timer: int = 0, retransmits: int = 0, unheard: float = 0.1) -> TcpSocket:
    info = TcpInfo(1, 0.1, unheard, unheard)
    return TcpSocket(ESTABLISHED, "10.1.4.9", 8080, "203.0.113.7", port, inode, 0, timer, retransmits, info)


LISTENER = TcpSocket(LISTEN, "10.1.4.9", 8080, "0.0.0.0", 0, 1, 0)


def test_a_peer_is_unreachable_after_three_retransmissions_in_vain() -> None:
    rows = [
        LISTENER,
        row(1),
        row(2, timer=RETRANSMIT, retransmits=2, unheard=1.0),
        row(3, timer=RETRANSMIT, retransmits=3, unheard=4.0),
        row(4, timer=RETRANSMIT, retransmits=9, unheard=90.0),
        row(5, timer=4, retransmits=9, unheard=0.1),  # a window that is shut: its kernel answers
        row(6, inode=2, timer=RETRANSMIT, retransmits=9),  # another process's
    ]
    found = judged(rows, {1})
    assert (found.connections, found.unreachable, found.longest_unheard_s) == (5, 2, 90.0)
    assert [one.connection for one in found.worst] == ["8080-203.0.113.7:4", "8080-203.0.113.7:3"]


def test_a_client_program_is_judged_by_all_of_its_connections() -> None:
    assert judged([row(1), row(2)], {1}).connections == 2
    assert judged([], set()).longest_silent_s == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="inet_diag is Linux's")
def test_this_process_is_found_with_its_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            found = of_process(Endpoint("x", pid=os.getpid()))
    assert found.connections >= 1
    assert found.unreachable == 0
    with pytest.raises(UnavailableError, match="names no pid"):
        of_process(Endpoint("x"))


def test_a_gateways_heartbeat_settings_are_read_over_the_admin_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        evidence_heartbeats, "asked", lambda *_: {"heartbeat_interval_s": 25, "heartbeat_timeout_s": 10.0}
    )
    assert heartbeats_from_admin(Endpoint("x")).interval_s == 25.0
    monkeypatch.setattr(evidence_heartbeats, "asked", lambda *_: {})
    with pytest.raises(UnavailableError) as refused:
        heartbeats_from_admin(Endpoint("x", admin="y"))
    assert refused.value.reason == "malformed"


@contextlib.contextmanager
def server(talk: Callable[[ServerConnection], None], **options: float | None) -> Iterator[Endpoint]:
    with serve(talk, "127.0.0.1", 0, compression=None, close_timeout=0.1, **options) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            port = running.socket.getsockname()[1]
            yield Endpoint("toy", url=f"ws://127.0.0.1:{port}", patience_s=5.0, token="sesame")
        finally:
            running.shutdown()
            thread.join()


def listen(connection: ServerConnection) -> None:
    """Serve a client that says nothing until it is gone."""
    with contextlib.suppress(Exception):
        connection.recv()


def test_a_server_that_asks_throws_out_who_is_mute() -> None:
    with server(listen, ping_interval=0.2, ping_timeout=0.2) as endpoint:
        seen = unanswered_from_url(endpoint)
    assert seen.first_ping_s is not None
    assert seen.closed_after_s is not None
    assert seen.close_code == 1011
    assert seen.watched_s < 5.0


def test_a_server_that_does_not_ask_keeps_who_is_mute() -> None:
    with server(listen, ping_interval=None) as endpoint:
        seen = unanswered_from_url(Endpoint("toy", url=endpoint.url, patience_s=0.3))
    assert (seen.first_ping_s, seen.closed_after_s, seen.close_code) == (None, None, None)
    assert seen.watched_s >= 0.3


@pytest.mark.parametrize("beat", [None, 0.05])
def test_the_probe_itself_is_not_a_client_that_was_lost(beat: float | None) -> None:
    codes: list[int | None] = []

    def note(connection: ServerConnection) -> None:
        listen(connection)
        codes.append(connection.close_code)

    with server(note, ping_interval=beat, ping_timeout=None) as endpoint:
        unanswered_from_url(Endpoint("toy", url=endpoint.url, patience_s=0.3))
    assert codes == [1000]


def test_a_cut_without_a_close_frame_is_1006() -> None:
    def cut(connection: ServerConnection) -> None:
        connection.ping()
        connection.socket.shutdown(socket.SHUT_RDWR)

    with server(cut, ping_interval=None) as endpoint:
        seen = unanswered_from_url(endpoint)
    assert (seen.close_code, seen.closed_after_s is not None) == (1006, True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [(None, "not_configured"), ("ws://127.0.0.1:1/", "unreachable"), ("ftp://x/", "not_configured")],
)
def test_nobody_there_is_unavailable(url: str | None, reason: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        unanswered_from_url(Endpoint("toy", url=url))
    assert refused.value.reason == reason


def test_a_server_that_is_no_websocket_is_malformed_and_a_silent_one_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mute, "OPEN_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(UnavailableError) as silent:
            unanswered_from_url(Endpoint("toy", url=f"ws://127.0.0.1:{listening.getsockname()[1]}/"))
        with pytest.raises(UnavailableError) as secure:
            unanswered_from_url(Endpoint("toy", url=f"wss://127.0.0.1:{listening.getsockname()[1]}/"))
    assert (silent.value.reason, secure.value.reason) == ("malformed", "timeout")
