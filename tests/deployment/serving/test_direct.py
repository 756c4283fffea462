"""Requests that are answered while they are read are answered as uvicorn and the application would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from request_bodies import SIGNATURE, bodies, columns
from uvicorn.server import ServerState

from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.serving import wire
from plumbline.deployment.serving.direct import SMALL, written
from plumbline.deployment.serving.door import protocol
from plumbline.deployment.serving.inferring import Answer, refusal
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

INFER = "/v2/models/churn/infer"


@pytest.fixture(scope="module")
def server(options: Callable[..., Options]) -> Iterator[Server]:
    with Server(options(max_body=200_000, max_rows=5000)) as running:
        yield running


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: a", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(link: socket.socket, count: int) -> list[bytes]:
    """Read so many responses; fewer, if the server closes."""
    found, buffer = [], b""
    while len(found) < count:
        head, end, rest = buffer.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            found.append(head + end + rest[:length])
            buffer = rest[length:]
            continue
        piece = link.recv(1 << 16)
        if not piece:
            break
        buffer += piece
    return found


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_over_one_connection_both_ways_write_the_same_bytes(server, data):
    signature = Signature((Feature("age", "int"), Feature("balance", nullable=True)), SIGNATURE.outputs)
    wanted = data.draw(st.lists(st.tuples(bodies(signature), st.booleans()), min_size=1, max_size=4))
    # A query goes the ordinary way, and changes nothing besides.
    sent = b"".join(post(INFER + ("?a" if ordinary else ""), body) for body, ordinary in wanted)
    plain = b"".join(post(INFER + "?a", body) for body, _ in wanted)
    cut = data.draw(st.integers(0, len(sent)))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as one,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as other,
    ):
        one.sendall(sent[:cut])
        one.sendall(sent[cut:])
        other.sendall(plain)
        assert answers(one, len(wanted)) == answers(other, len(wanted))


def test_large_bodies_closed_connections_and_other_headers_go_the_ordinary_way(server):
    rows = 4000
    large = columns(age=("INT64", [40] * rows), balance=("FP64", [1.25] * rows))
    small = columns(age=("INT64", [40]), balance=("FP64", [1.25]))
    assert len(large) > SMALL / 3
    large = large + b" " * SMALL
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(post(INFER, large) + post(INFER, small))
        first, second = answers(link, 2)
        assert first.count(b"0.4") >= 1
        assert second.startswith(b"HTTP/1.1 200 OK")
        link.sendall(post(INFER, small, "expect: 100-continue", "x-request-key: a"))
        assert link.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answers(link, 1)[0].startswith(b"HTTP/1.1 200 OK")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(post(INFER, small, "connection: close"))
        [last] = answers(link, 2)
        assert b"connection: close" in last
    status = server.ask("status")
    assert [one["inflight"] for one in status["versions"].values()] == [0]


def test_a_request_whose_body_comes_while_the_server_leaves_is_answered(options):
    body = columns(age=("INT64", [40]), balance=("FP64", [1.25]))
    sent = post(INFER, body)
    with Server(options(drain_grace_s=0.0)) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
            link.sendall(post(INFER, body) + sent[:-20])
            assert len(answers(link, 1)) == 1
            server.ask("drain")
            with contextlib.suppress(OSError):  # until it does not listen any more
                while True:
                    socket.create_connection(("127.0.0.1", server.port), timeout=30).close()
            link.sendall(sent[-20:])
            [last] = answers(link, 2)
        assert b"200 OK" in last
        assert b"connection: close" in last


def connection(begin: Any, keep_alive_s: float = 0.05) -> tuple[Any, mock.Mock]:
    config = uvicorn.Config(mock.Mock(), lifespan="off", log_config=None, ws="none", loop="asyncio")
    config.timeout_keep_alive = keep_alive_s  # type: ignore[assignment] # uvicorn asks for whole seconds
    transport = mock.Mock()
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    door = protocol(9, 30, INFER, begin)(config, ServerState(), {})  # type: ignore[call-arg] # as uvicorn does
    door.connection_made(transport)
    return door, transport


def test_a_connection_on_which_nothing_comes_any_more_is_closed():
    async def work() -> None:
        door, transport = connection(lambda _body, _headers: Answer(200, b"{}", b"1.0.0+a"))
        closed = asyncio.get_running_loop().create_future()
        transport.close.side_effect = lambda: closed.done() or closed.set_result(None)
        for _ in range(3):
            door.data_received(post(INFER, b"{}"))
        assert not closed.done()
        assert transport.write.call_count == 3
        await asyncio.wait_for(closed, 20)
        door.data_received(post(INFER, b"{}"))
        door.connection_lost(None)
        assert door._idle is None

    asyncio.run(work())


def test_a_connection_on_which_something_still_comes_is_not_closed():
    async def work() -> None:
        door, transport = connection(lambda _body, _headers: Answer(200, b"{}", b"1.0.0+a"), keep_alive_s=30)
        door.data_received(post(INFER, b"{}"))
        door.data_received(post(INFER, b"{", length=2))
        door._answered_at = -1e9
        door._look()
        assert not transport.close.called
        door.data_received(b"}")
        assert transport.write.call_count == 2
        door._answered_at = -1e9
        door._look()
        assert transport.close.called
        door.connection_lost(None)

    asyncio.run(work())


def test_refusals_are_written_as_uvicorn_writes_them():
    answer = refusal(wire.MalformedError("no", retry_after_s=3))
    answer.version = b"1.0.0+a"
    body = answer.body
    assert written(answer) == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"retry-after: 3\r\nx-model-version: 1.0.0+a\r\n\r\n%b" % (len(body), body)
    )
