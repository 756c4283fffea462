"""A message's trace goes with it to the readers that ask for it, and to no others."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.tracing import Traced, trace_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_readers_that_ask_are_told_the_trace_and_others_are_not(start, client):
    gateway = start()
    plain, traced, newest = client(gateway), client(gateway), client(gateway)
    plain.ask(id=1, subscribe="a")
    traced.ask(id=1, subscribe="a", trace=True)
    newest.ask(id=1, subscribe="a", trace=True, mode="latest")
    plain.send(publish="a", data=1, trace=TRACE)
    assert plain.read() == {"channel": "a", "offset": 1, "data": 1}
    assert traced.read() == newest.read() == {"channel": "a", "offset": 1, "data": 1, "trace": TRACE}
    plain.send(publish="a", data=2)
    assert plain.read() == traced.read() == newest.read() == {"channel": "a", "offset": 2, "data": 2}


def test_what_is_replayed_has_its_trace_too(start, client):
    gateway = start()
    reader = client(gateway)
    epoch = reader.ask(id=1, history="a")["epoch"]
    reader.ask(id=2, publish="a", data=1, trace=TRACE)
    reader.ask(id=3, publish="a", data=2)
    told = reader.ask(id=4, subscribe="a", since={"epoch": epoch, "offset": 0}, trace=True)
    assert told["messages"] == 2
    assert [reader.read().get("trace") for _ in range(2)] == [TRACE, None]
    assert reader.ask(id=5, unsubscribe="a")["ok"]
    assert reader.ask(id=6, subscribe="a", since={"epoch": epoch, "offset": 1})["messages"] == 1
    assert reader.read() == {"channel": "a", "offset": 2, "data": 2}


def test_who_left_and_came_back_without_asking_is_told_no_trace(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a", trace=True)
    reader.ask(id=2, unsubscribe="a")
    reader.ask(id=3, subscribe="a")
    reader.send(publish="a", data=1, trace=TRACE)
    assert "trace" not in reader.read()


def test_events_carry_it_when_the_address_asks(start, client):
    gateway = start()
    where = urlsplit(gateway.url)
    with socket.create_connection((where.hostname, where.port), 20) as sock, sock.makefile("rb") as stream:
        sock.sendall(b"GET /sse/a?trace=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))
        assert next(told)["ok"]
        client(gateway).ask(id=1, publish="a", data=1, trace=TRACE)
        assert next(told)["trace"] == TRACE


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_trace_is_true_or_false(start, client, wrong):
    told = client(start()).ask(id=1, subscribe="a", trace=wrong)
    assert told["error"]["message"] == "trace must be true or false"


@pytest.mark.parametrize("wrong", ["", "nonsense", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"])
def test_a_trace_that_says_nothing_is_left_alone(wrong):
    assert trace_of(Traced.of(b"1", wrong)) is None


def test_each_variant_is_made_once():
    message = Message.published("a", Position("e", 1), Traced.of(b"1", TRACE))
    assert message.with_trace is message.with_trace
    assert message.with_trace.frame is message.with_trace.frame
    assert Message.published("a", Position("e", 1), b"1").with_trace.payload == b'{"channel":"a","offset":1,"data":1}'
