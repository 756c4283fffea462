"""Which messages are too large, from the admin socket, from metrics, and by announcing sizes to any server."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.utils import accept_key

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence_refusals
from plumbline.streaming.evidence_refusals import limit_from_url, refused_from_admin, refused_from_metrics
from plumbline.streaming.probes.exposition import Sample, page, samples
from plumbline.streaming.probes.sizes import Bounds, limit_of

KIB = 1 << 10


@contextlib.contextmanager
def server(**options: object) -> Iterator[tuple[Endpoint, list[object]]]:
    """Serve with another library than the gateway's, and note what the application sees."""
    seen: list[object] = []

    def talk(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            seen.extend(connection)

    with serve(talk, "127.0.0.1", 0, compression=None, close_timeout=0.1, **options) as running:  # type: ignore[arg-type]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield Endpoint("toy", url=f"ws://127.0.0.1:{running.socket.getsockname()[1]}"), seen
        finally:
            running.shutdown()
            thread.join()


def test_the_limit_lies_between_two_powers_of_two_and_no_message_is_sent() -> None:
    with server(max_size=100_000) as (endpoint, seen):
        assert limit_of(endpoint) == Bounds(64 * KIB, 128 * KIB)
        found = limit_from_url(endpoint)
    assert (found.taken_bytes, found.too_large_bytes, found.counted) == (64 * KIB, 128 * KIB, None)
    assert seen == []


def test_a_server_without_a_limit_refuses_nothing() -> None:
    with server(max_size=None) as (endpoint, _):
        assert limit_of(endpoint) == Bounds(64 << 20, None)


def test_a_server_that_takes_next_to_nothing_refuses_all() -> None:
    with server(max_size=10) as (endpoint, _):
        assert limit_of(endpoint) == Bounds(None, KIB)


def test_the_gateways_own_limit_is_found_from_outside(start) -> None:
    assert limit_of(Endpoint("gw", url=start().url)) == Bounds(64 * KIB, 128 * KIB)


def test_a_server_that_ends_the_connection_for_another_reason_is_not_judged() -> None:
    def talk(connection: ServerConnection) -> None:
        connection.close(4001, "who are you?")  # the client gets it with the handshake's answer, or after it

    with serve(talk, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        with pytest.raises(UnavailableError, match="code 4001"):
            limit_of(Endpoint("strict", url=f"ws://127.0.0.1:{running.socket.getsockname()[1]}"))
        running.shutdown()
        thread.join()


def test_a_server_that_closes_with_the_same_packet_that_opens_is_not_taken_for_none() -> None:
    def welcome_and_goodbye(listener: socket.socket) -> None:
        link, _ = listener.accept()
        with link:
            request = link.recv(4096).decode()
            [key] = re.findall(r"(?i)sec-websocket-key: (\S+)", request)
            upgrade = "HTTP/1.1 101 Welcome\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            goodbye = b"\x88\x02" + (4001).to_bytes(2, "big")
            link.sendall(f"{upgrade}{accept_key(key)}\r\n\r\n".encode() + goodbye)
            while link.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=welcome_and_goodbye, args=(listener,))
        thread.start()
        with pytest.raises(UnavailableError, match="ended the connection with code 4001"):
            limit_of(Endpoint("strict", url=f"ws://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()


def test_who_is_no_websocket_server_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
    with pytest.raises(UnavailableError, match="nothing answers"):
        limit_of(Endpoint("gone", url=url))
    with metrics_page(["x 1\n"]) as address, pytest.raises(UnavailableError, match="refused the WebSocket handshake"):
        limit_of(Endpoint("web", url=address))
    with pytest.raises(UnavailableError, match="names no url"):
        limit_of(Endpoint("none"))


def test_the_gateway_says_size_and_sender_of_what_it_refused(start, tmp_path, until) -> None:
    gateway = start(admin=tmp_path / "a.sock", settings={"max_message_bytes": 1024})
    endpoint = Endpoint("gw", admin=str(tmp_path / "a.sock"))
    with connect(gateway.url, compression=None, proxy=None) as whole, connect(gateway.url, proxy=None) as parts:
        whole.send("x" * 3000)
        parts.send(["y" * 1000, "y" * 1000])
        found = until(lambda: len(now := refused_from_admin(endpoint).refused) == 2 and now, "two closes")
    assert sorted(one.size_bytes for one in found) == [2000, 3000]
    assert {(one.by, one.peer) for one in found} == {("server", "127.0.0.1")}
    assert refused_from_admin(endpoint).limit_bytes == 1024


def test_a_reader_that_refuses_is_told_from_the_server(start, tmp_path, until) -> None:
    gateway = start(admin=tmp_path / "a.sock")
    endpoint = Endpoint("gw", admin=str(tmp_path / "a.sock"))
    with connect(gateway.url, compression=None, proxy=None, max_size=500) as reader:
        reader.send('{"id":1,"subscribe":"a"}')
        reader.recv()
        gateway.publish("a", "x" * 1000)
        found = until(lambda: refused_from_admin(endpoint).refused, "the close")
    assert [one.by for one in found] == ["peer"]


@contextlib.contextmanager
def metrics_page(texts: list[str]) -> Iterator[str]:
    """Offer one text after the other as metrics; the last one again and again."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((texts.pop(0) if len(texts) > 1 else texts[0]).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/metrics"
        finally:
            running.shutdown()
            thread.join()


def test_any_servers_counter_with_a_label_of_this_code_is_counted(monkeypatch) -> None:
    monkeypatch.setattr(evidence_refusals, "WATCH_S", 0.01)
    texts = ['ws_closes_total{code="1009"} 3\nws_closes_total{code="1000"} 9\n', 'ws_closes_total{code="1009"} 8\n']
    with metrics_page(texts) as address:
        assert refused_from_metrics(Endpoint("any", metrics=address)).counted == 5


def test_metrics_without_such_a_counter_say_nothing(monkeypatch) -> None:
    monkeypatch.setattr(evidence_refusals, "WATCH_S", 0.01)
    with metrics_page(["up 1\n"]) as address, pytest.raises(UnavailableError, match="no counter with a label"):
        refused_from_metrics(Endpoint("any", metrics=address))


def test_a_page_of_metrics_is_read_line_by_line() -> None:
    text = '# HELP a b\na_total{x="1",y="a b"} 3\nb 1e3\nc{} NaN\nnot a sample\nd five\n'
    read = list(samples(text))
    assert read[:2] == [Sample("a_total", {"x": "1", "y": "a b"}, 3.0), Sample("b", {}, 1000.0)]
    assert [one.name for one in read] == ["a_total", "b", "c"]


def test_metrics_that_cannot_be_had_say_why() -> None:
    for endpoint, words in (
        (Endpoint("none"), "names no metrics"),
        (Endpoint("file", metrics="file:///etc/passwd"), "no address of metrics"),
        (Endpoint("gone", metrics="http://127.0.0.1:1/metrics"), "gives no metrics"),
    ):
        with pytest.raises(UnavailableError, match=words):
            page(endpoint)
