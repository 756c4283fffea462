"""The handshake probe: a real gateway, a queue that is really full, servers that refuse or speak something else."""

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
from plumbline.streaming.evidence_handshakes import Handshakes, handshakes_from_url
from plumbline.streaming.probes.handshakes import ATTEMPTS, ENOUGH_REFUSALS, IN_FLIGHT, measure

LONGEST = 3.0


def outcomes(seen: Handshakes) -> list[str]:
    return [one.outcome for one in seen.attempts]


@contextlib.contextmanager
def server(**options: object) -> Iterator[tuple[str, list[int | None]]]:
    """Serve on a free port; give its URL, and the close codes of connections that have ended."""
    codes: list[int | None] = []

    def talk(connection: ServerConnection) -> None:
        list(connection)
        codes.append(connection.close_code)

    with serve(talk, "127.0.0.1", 0, ping_interval=None, compression=None, **options) as running:  # type: ignore[arg-type]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}", codes
        finally:
            running.shutdown()
            thread.join()


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Do this with each connection, which is closed after it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def loop() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as link:
                        answer(link)

        thread = threading.Thread(target=loop)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_handshakes_with_our_gateway_are_all_answered(start) -> None:
    seen = handshakes_from_url(Endpoint("ours", url=start().url, patience_s=LONGEST))
    assert outcomes(seen) == ["ok"] * len(seen.attempts)
    assert ENOUGH_REFUSALS < len(seen.attempts) <= ATTEMPTS
    assert all(one.answer_s > 0 and one.status is None for one in seen.attempts)


def test_each_connection_is_closed_as_a_client_should(until) -> None:
    with server() as (url, codes):
        seen = measure(Endpoint("toy", url=url, patience_s=0.5))
        until(lambda: len(codes) == len(seen.attempts))
    assert {*codes} == {1000}


@pytest.mark.skipif(sys.platform != "linux", reason="what a full queue drops is Linux's way")
def test_a_full_accept_queue_lets_one_connection_in_and_drops_the_first_packets_of_others() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        seen = measure(Endpoint("stuck", url=f"ws://127.0.0.1:{listener.getsockname()[1]}", patience_s=2.5))
    assert outcomes(seen)[0] == "unanswered"
    assert {*outcomes(seen)[1:]} == {"silent"}
    assert len(seen.attempts) <= IN_FLIGHT  # what hangs is not heaped up
    assert seen.attempts[0].resent == 0
    assert all(one.answer_s is None and one.resent is None for one in seen.attempts[1:])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was sent again")
def test_a_first_packet_that_was_repeated_is_counted() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        late = threading.Timer(0.6, accept)  # the queue is full until then, and the next packet comes after 1 s
        late.start()
        seen = measure(Endpoint("bursts", url=url, patience_s=2.5))
        listener.shutdown(socket.SHUT_RDWR)
        late.join()
    assert any(one.reached and (one.resent or 0) > 0 for one in seen.attempts)


def test_a_server_that_is_full_says_503_and_when_to_come_back_and_is_not_asked_twenty_times() -> None:
    def refuse(connection: ServerConnection, _: object) -> object:
        response = connection.respond(503, "full")
        response.headers["Retry-After"] = "30"
        return response

    with server(process_request=refuse) as (url, _):
        seen = measure(Endpoint("full", url=url, patience_s=LONGEST))
    assert {(one.outcome, one.status, one.retry_after) for one in seen.attempts} == {("status", 503, "30")}
    assert len(seen.attempts) < ATTEMPTS


def test_a_redirect_is_a_status_and_is_not_followed_and_its_words_are_not_repeated() -> None:
    def away(link: socket.socket) -> None:
        link.recv(4096)
        link.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nRetry-After: <b>\r\nContent-Length: 0\r\n\r\n"
        )

    with answering(away) as url:
        seen = measure(Endpoint("moved", url=url, patience_s=LONGEST))
    assert {(one.outcome, one.status, one.retry_after) for one in seen.attempts} == {("status", 302, "")}


def test_who_speaks_something_else_is_broken() -> None:
    def other(link: socket.socket) -> None:
        link.recv(4096)
        link.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with answering(other) as url:
        assert {*outcomes(measure(Endpoint("ssh", url=url, patience_s=LONGEST)))} == {"broken"}


def test_an_empty_port_refuses() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        seen = measure(Endpoint("gone", url=f"ws://127.0.0.1:{free.getsockname()[1]}", patience_s=LONGEST))
    assert {*outcomes(seen)} == {"refused"}


def test_what_is_no_address_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    for url, reason in (
        (None, "not_configured"),
        ("ftp://127.0.0.1/", "not_configured"),
        ("ws://127.0.0.1/#x", "not_configured"),
        ("ws://nowhere.invalid/", "unreachable"),
    ):
        with pytest.raises(UnavailableError) as caught:
            measure(Endpoint("none", url=url))
        assert caught.value.reason == reason


def test_no_connection_is_opened_where_the_kernel_tells_the_accept_queue() -> None:
    with pytest.raises(UnavailableError, match="no connection is opened for it"):
        handshakes_from_url(Endpoint("both", url="ws://127.0.0.1:9/", pid=os.getpid()))
