"""Dialects understand servers however the network cuts what they say."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.load import frames
from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.dialects.base import (
    Answer,
    Delivery,
    Ended,
    Position,
    Ready,
    Refused,
    Return,
    Say,
    Stored,
    Subscribed,
)
from plumbline.streaming.load.stamp import SMALLEST, Stamp, read, write

STAMP = Stamp(3, 42, 1234567)
PAYLOAD = write(STAMP, 64)


@given(
    st.builds(Stamp, st.integers(0, 99), st.integers(0, 10**10 - 1), st.integers(0, 10**16 - 1)),
    st.integers(SMALLEST, 300),
)
def test_a_stamp_comes_back_from_inside_any_payload(stamp, size):
    payload = write(stamp, size)
    assert len(payload) == size
    assert read(b'{"data":"' + payload + b'"}') == stamp


@pytest.mark.parametrize("payload", [b"", b"nothing", PAYLOAD[:20], PAYLOAD.replace(b"42", b"4x")])
def test_what_carries_no_whole_stamp_is_none(payload):
    assert read(payload) is None


def whole(dialect, pieces):
    carry, events = b"", []
    for piece in pieces:
        said, used = dialect.decode(carry + piece)
        carry = (carry + piece)[used:]
        events += said
    assert carry == b""
    return events


def cut(data, at):
    edges = [0, *sorted(at), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]


NATS = (
    b'INFO {"x":1}\r\nPING\r\nPONG\r\nMSG c 1 64\r\n'
    + PAYLOAD
    + b"\r\nMSG _INBOX.9 0 64\r\n"
    + PAYLOAD
    + b"\r\n-ERR 'no'\r\n+OK\r\n"
)


@given(st.sets(st.integers(0, len(NATS))))
def test_nats_may_be_cut_anywhere(at):
    assert whole(DIALECTS["nats"](), cut(NATS, at)) == [
        Ready(1),
        Say(b"PONG\r\n"),
        Subscribed(-1, None, None),
        Delivery("c", None, STAMP),
        Answer(STAMP),
        Refused(None, "no"),
    ]


MQTT = (
    b"\x20\x02\0\0"
    b"\x90\x03\0\x01\0"
    b"\x90\x03\0\x02\0"
    b"\x30\x43\0\x01c" + PAYLOAD + b"\x30\x4b\0\x09inbox/123"[:4] + b"inbox/123" + PAYLOAD + b"\xd0\0"
)


@given(st.sets(st.integers(0, len(MQTT))))
def test_mqtt_may_be_cut_anywhere(at):
    assert whole(DIALECTS["mqtt"](), cut(MQTT, at)) == [
        Ready(1),
        Subscribed(0, None, None),
        Delivery("c", None, STAMP),
        Answer(STAMP),
    ]


def test_mqtt_refusals_are_told():
    mqtt = DIALECTS["mqtt"]()
    assert mqtt.decode(b"\x20\x02\0\x05")[0] == [Refused(None, "connack-5")]
    assert mqtt.decode(b"\x90\x03\0\x02\x80")[0] == [Refused(None, "suback")]
    with pytest.raises(ValueError, match="four bytes"):
        mqtt.decode(b"\x30\xff\xff\xff\xff\x01")


def said(**message):
    return DIALECTS["plumbline"]().decode(json.dumps(message, separators=(",", ":")).encode())[0]


def test_the_gateways_messages_are_understood():
    text = PAYLOAD.decode()
    assert said(channel="c", offset=7, data=text) == [Delivery("c", 7, STAMP)]
    assert said(offset=7, channel="c", data=text) == [Delivery("c", 7, STAMP)]  # in any order
    assert said(id="s0", ok=True, epoch="e", offset=3, recovered=True) == [Subscribed(0, Position("e", 3), True)]
    assert said(id="p5", ok=True, epoch="e", offset=4) == [Stored(5, Position("e", 4))]
    assert said(id="p5", ok=True) == [Stored(5, None)]
    assert said(id="r5", ok=True, ping=text) == [Answer(STAMP)]
    assert said(id="p5", error={"code": "unavailable"}) == [Refused(5, "unavailable")]
    assert said(id=None, error={"code": "malformed"}) == [Refused(None, "malformed")]
    assert said(hello={"version": 2}) == [Ready(2)]
    assert said(reconnect={"after_s": 1.5}) == [Return(1.5)]
    assert said(channel="c", ended={"code": "expired"}) == [Ended("c", "expired")]
    assert said(channel="c", joined={"client": "x"}) == []
    assert DIALECTS["plumbline"]().decode(b"no json") == ([Refused(None, "no-json")], 7)


def test_the_gateway_is_asked_in_the_version_it_speaks():
    dialect = DIALECTS["plumbline"]()
    old = json.loads(dialect.subscribe(1, "c", Position("e", 4), "latest", 1))
    new = json.loads(dialect.subscribe(1, "c", Position("e", 4), "latest", 2))
    assert old == {"id": "s1", "subscribe": "c"}
    assert new == old | {"since": {"epoch": "e", "offset": 4}, "mode": "latest"}
    assert "key" not in json.loads(dialect.publish(1, "c", PAYLOAD, "k", 1))
    assert json.loads(dialect.publish(1, "c", PAYLOAD, "k", 2))["key"] == "k"


def test_plain_servers_carry_the_stamp_alone():
    assert DIALECTS["broadcast"]().decode(PAYLOAD) == ([Delivery("all", None, STAMP)], 64)
    assert DIALECTS["echo"]().decode(PAYLOAD) == ([Answer(STAMP)], 64)
    assert DIALECTS["echo"]().request(1, 1, PAYLOAD) == PAYLOAD
    assert DIALECTS["broadcast"]().subscribe(0, "all", None, "all", 1) == b""
    with pytest.raises(NotImplementedError):
        DIALECTS["broadcast"]().request(1, 1, PAYLOAD)


@given(st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]))
def test_frames_are_masked_and_carry_their_length_as_rfc_6455_says(size):
    sent = frames.frame(frames.TEXT, b"x" * size)
    head = 2 + (0 if size < 126 else 2 if size < 65536 else 8)
    assert sent[0] == 0x81
    assert sent[1] & 0x80
    assert len(sent) == head + 4 + size


def test_a_handshake_that_is_no_websocket_is_refused_with_a_word():
    assert frames.refusal(b"HTTP/1.1 503 Busy\r\n") == "http-503"
    assert frames.refusal(b"SSH-2.0") == "no-http"
    assert frames.refusal(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x") == "wrong-accept"
