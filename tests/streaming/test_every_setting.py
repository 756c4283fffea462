"""Every setting has a test that it does what it says: here for those that stand nowhere else, and a list of all."""

import asyncio
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest

from plumbline.streaming import Settings
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.core.settings import kinds

HERE = Path(__file__).parent
SECRET = "a secret for these tests only, and of 32 bytes"
TABLES = {"test_settings.py"}  # what they say of a setting is its type and range, not what it does


def sources():
    return {path: path.read_text() for path in HERE.rglob("*.py") if path.name not in TABLES}


@pytest.mark.parametrize("name", kinds())
def test_each_setting_is_tested_somewhere(name):
    """A name in a test is no proof, but a setting without one has surely none."""
    used = re.compile(rf"""["']{name}["']|\b{name}=|\.{name}\b|"--{name.replace("_", "-")}""")
    assert any(used.search(text) for path, text in sources().items()), f"no test sets {name}"


def test_beyond_idempotency_keys_the_oldest_key_is_forgotten():
    broker = LocalBroker(Settings(idempotency_keys=2), "e", lambda: 0.0)
    asyncio.run(broker.start(object()))
    told = []
    for key in ("a", "b", "b", "c", "a"):
        broker.publish("channel", b"1", key, lambda position: told.append(position.offset))
    assert told == [1, 2, 2, 3, 4], "b was known again; a was not, when two others had come"


@pytest.fixture
def guarded(start, tmp_path):
    """Return a gateway that asks for tokens of one issuer, for itself."""
    (tmp_path / "secret").write_text(SECRET)
    return start(
        settings={"token_keys": str(tmp_path / "secret"), "token_issuer": "us", "token_audience": "the-gateway"}
    )


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "us", "aud": "the-gateway"}, 101),
        ({"iss": "us", "aud": ["others", "the-gateway"]}, 101),
        ({"iss": "others", "aud": "the-gateway"}, 401),
        ({"aud": "the-gateway"}, 401),
        ({"iss": "us", "aud": "others"}, 401),
        ({"iss": "us"}, 401),
    ],
)
def test_a_token_must_be_of_the_issuer_and_for_the_audience(guarded, raw, claims, status):
    token = jwt.encode({"sub": "ada", "exp": time.time() + 60, **claims}, SECRET, "HS256")
    assert raw(guarded, headers=f"Authorization: Bearer {token}\r\n").status == status


def test_an_event_stream_says_when_to_come_back_spread_around_sse_retry_s(start):
    where = urlsplit(start(settings={"sse_retry_s": 8}).url)
    told = []
    for _ in range(8):
        with socket.create_connection((where.hostname, where.port), 20) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"GET /sse/a HTTP/1.1\r\nHost: x\r\n\r\n")
            told.append(next(int(line[7:]) for line in stream if line.startswith(b"retry: ")))
    assert all(4000 <= milliseconds <= 12000 for milliseconds in told)
    assert len(set(told)) > 1, "not all at the same time"


def test_accept_batch_bounds_what_one_turn_of_the_loop_accepts(start, until, monkeypatch):
    gateway = start(settings={"accept_batch": 3, "handshake_timeout_s": 60})
    acceptor = gateway.gateway._running.acceptor
    turns, take = [], acceptor._take_some

    def counted(most):
        taken = take(most)
        turns.append((most, taken))
        return taken

    monkeypatch.setattr(acceptor, "_take_some", counted)
    where = urlsplit(gateway.url)

    async def all_at_once():  # in the gateway's own turn: it cannot accept meanwhile
        return [socket.create_connection((where.hostname, where.port)) for _ in range(7)]

    sockets = gateway.do(all_at_once())
    until(lambda: gateway.stats["accepted"] == 7)
    for sock in sockets:
        sock.close()
    assert [taken for _, taken in turns if taken] == [3, 3, 1]
    gateway.set(accept_batch=64)
    assert acceptor.batch == 64
