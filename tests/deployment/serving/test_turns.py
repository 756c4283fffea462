"""Of a crowd so many are answered before the rest of the loop has its turn; nobody is forgotten, and none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from plumbline.deployment.serving import direct
from plumbline.deployment.serving.door import protocol
from plumbline.deployment.serving.inferring import Answer

INFER = "/v2/models/churn/infer"
Begin = Callable[[bytes, list[tuple[bytes, bytes]]], Answer | None]


def post(body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (INFER.encode(), len(body), body)


def echo(body: bytes, _headers: Any) -> Answer:
    return Answer(200, body, b"1.0.0+a")


async def app(scope: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def connections(count: int, begin: Begin = echo) -> list[tuple[Any, mock.Mock]]:
    """So many connections of one server, with what each writes."""
    kind = protocol(9, 30, INFER, begin)
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", loop="asyncio")
    found = []
    for _ in range(count):
        transport = mock.Mock()
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = None
        door = kind(config, ServerState(), {})  # type: ignore[call-arg] # as uvicorn does
        door.connection_made(transport)
        found.append((door, transport))
    return found


def bodies(transport: mock.Mock) -> list[bytes]:
    """Return the bodies that a connection has written."""
    written = b"".join(call.args[0] for call in transport.write.call_args_list)
    return [part.partition(b"\r\n\r\n")[2] for part in written.split(b"HTTP/1.1 ")[1:]]


async def turns(count: int = 1) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_is_too_much_for_one_turn_is_answered_in_the_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct, "MOST", 2)

    async def work() -> None:
        doors = connections(5)
        for _ in range(3):
            for door, transport in doors:
                transport.write.reset_mock()
                door.data_received(post(b"x"))
            assert [len(bodies(transport)) for _, transport in doors] == [1, 1, 0, 0, 0]
            await turns()
            assert [bodies(transport) for _, transport in doors] == [[b"x"]] * 5
        for door, _ in doors:
            door.connection_lost(None)

    asyncio.run(work())


def test_one_connections_requests_are_answered_in_their_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct, "MOST", 1)

    async def work() -> None:
        [(door, transport)] = connections(1)
        door.data_received(post(b"a") + post(b"b") + post(b"c") + post(b"d")[:-1])
        assert bodies(transport) == [b"a", b"b", b"c"]  # the next one has begun, so it could not wait
        door.data_received(b"d")
        await turns()
        assert bodies(transport) == [b"a", b"b", b"c", b"d"]
        door.connection_lost(None)

    asyncio.run(work())


def test_what_was_put_off_can_still_go_the_ordinary_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct, "MOST", 1)

    async def work() -> None:
        [(door, transport)] = connections(1, lambda body, headers: None if body == b"b" else echo(body, headers))
        door.data_received(post(b"a"))
        door.data_received(post(b"b"))
        assert bodies(transport) == [b"a"]
        await turns(5)
        door.data_received(post(b"c"))
        await turns(5)
        assert bodies(transport) == [b"a", b"b", b"c"]
        door.connection_lost(None)

    asyncio.run(work())


def test_a_client_that_has_gone_gets_nothing_and_a_server_that_goes_answers_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct, "MOST", 1)

    async def work() -> None:
        (_, _), (gone, unheard), (closing, hung), (leaving, heard) = doors = connections(4)
        for door, _ in doors:
            door.data_received(post(b"x"))
        gone.connection_lost(None)
        hung.is_closing.return_value = True
        leaving.shutdown()
        assert (bodies(heard), heard.close.called) == ([b"x"], True)
        await turns()
        assert (bodies(unheard), bodies(hung), bodies(heard)) == ([], [], [b"x"])
        closing.connection_lost(None)

    asyncio.run(work())
