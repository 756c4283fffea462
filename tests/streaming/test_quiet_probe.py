"""The black-box probe tells an idle time-out from a server that dies, on real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.evidence import IdleLifetime, idle_from_url


@contextlib.contextmanager
def server(talk: Callable[[ServerConnection], None]) -> Iterator[Endpoint]:
    """Serve on a free port; the connection ends when `talk` returns."""
    with serve(talk, "127.0.0.1", 0, ping_interval=None, compression=None, close_timeout=0.1) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield Endpoint("toy", url=f"ws://127.0.0.1:{running.socket.getsockname()[1]}", patience_s=3.0)
        finally:
            running.shutdown()
            thread.join()


def cut(connection: ServerConnection) -> None:
    """End a connection as a proxy's time-out does: no close frame."""
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


def read_for(connection: ServerConnection, seconds: float) -> None:
    """Serve a client that says nothing, for so long."""
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        connection.recv(timeout=seconds)


def test_a_front_that_cuts_after_a_second_cuts_both_connections_at_that_age() -> None:
    def talk(connection: ServerConnection) -> None:
        read_for(connection, 1.0)
        cut(connection)

    with server(talk) as endpoint:
        seen = idle_from_url(endpoint)
    assert seen.first_ping_s is None
    assert seen.close_code == 1006
    assert seen.limit_s == seen.closed_after_s
    assert seen.limit_s is not None
    assert seen.limit_s >= 1.0


def test_a_server_that_dies_cuts_both_at_one_moment_and_shows_no_idle_limit() -> None:
    both_in = threading.Event()
    waiting: list[ServerConnection] = []

    def talk(connection: ServerConnection) -> None:
        waiting.append(connection)
        if len(waiting) > 1:
            both_in.set()
        both_in.wait(timeout=10)
        read_for(connection, 0.2)
        cut(connection)

    with server(talk) as endpoint:
        seen = idle_from_url(endpoint)
    assert seen.close_code == 1006
    assert seen.second_closed_after_s is not None
    assert seen.limit_s is None


def test_the_watch_ends_with_the_first_ping() -> None:
    def talk(connection: ServerConnection) -> None:
        connection.ping()
        read_for(connection, 5.0)

    with server(talk) as endpoint:
        seen = idle_from_url(endpoint)
    assert seen.first_ping_s is not None
    assert seen.closed_after_s is None
    assert seen.watched_s < endpoint.patience_s


def test_a_server_that_says_goodbye_is_not_a_cut() -> None:
    with server(lambda connection: connection.close(1008, "who are you")) as endpoint:
        seen = idle_from_url(endpoint)
    assert (seen.close_code, seen.limit_s) == (1008, None)


def test_a_watch_without_an_event_lasts_as_long_as_the_patience() -> None:
    began = time.monotonic()
    with server(lambda connection: read_for(connection, 5.0)) as endpoint:
        seen = idle_from_url(Endpoint("toy", url=endpoint.url, patience_s=1.0))
    assert (seen.first_ping_s, seen.closed_after_s, seen.limit_s) == (None, None, None)
    assert 1.0 <= seen.watched_s <= time.monotonic() - began


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:  # bound, not listening: the port is free of servers for the test's length
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError) as error:
            idle_from_url(Endpoint("none", url=f"ws://127.0.0.1:{taken.getsockname()[1]}"))
    assert error.value.reason == "unreachable"


def test_an_idle_limit_needs_two_cuts_at_one_age() -> None:
    seen = IdleLifetime(first_ping_s=None, closed_after_s=2.0, close_code=1006, watched_s=3.0)
    assert seen.limit_s is None
    assert IdleLifetime(None, 2.0, 1006, 3.0, second_closed_after_s=2.1).limit_s == 2.0
    assert IdleLifetime(None, 2.0, 1006, 3.0, second_closed_after_s=1.3).limit_s is None
    assert IdleLifetime(None, 2.0, 1000, 3.0, second_closed_after_s=2.0).limit_s is None
    assert IdleLifetime(1.0, 2.0, 1006, 3.0, second_closed_after_s=2.0).limit_s is None
