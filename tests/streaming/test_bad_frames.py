"""Frames that no client may send, over a real socket: closed with the right code, counted, and felt by nobody else."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BAD = {
    "binary": ([(2, b"x", {})], 1003),
    "invalid UTF-8": ([(1, b"\xff\xfe", {})], 1007),
    "invalid UTF-8 in fragments": ([(1, b"\xc3", {"fin": False}), (0, b"x", {})], 1007),
    "not masked": ([(1, b"{}", {"masked": False})], 1002),
    "unknown opcode": ([(3, b"", {})], 1002),
    "reserved bit": ([(1, b"{}", {"reserved": 4})], 1002),
    "fragmented ping": ([(9, b"", {"fin": False})], 1002),
    "ping of 126 bytes": ([(9, b"x" * 126, {})], 1002),
    "continuation of nothing": ([(0, b"x", {})], 1002),
    "message within a message": ([(1, b"x", {"fin": False}), (1, b"x", {})], 1002),
    "too big in one frame": ([(1, b"x" * 2000, {})], 1009),
    "too big in its header": ([(1, b"", {"length": 1 << 40})], 1009),
    "too big in fragments": ([(1, b"x" * 900, {"fin": False}), (0, b"x" * 900, {"fin": False})], 1009),
    "close with a forbidden code": ([(8, struct.pack("!H", 1006 - 2), {})], 1002),
    "close with half a code": ([(8, b"\x03", {})], 1002),
    "close with invalid UTF-8": ([(8, struct.pack("!H", 1000) + b"\xff", {})], 1007),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_frame_is_closed_with_its_code_and_counted(start, client, raw, until, kind):
    gateway = start(settings={"max_message_bytes": 1000, "close_timeout_s": 0.05})
    good, bad = client(gateway), raw(gateway)
    good.ask(id=1, subscribe="a")
    frames, code = BAD[kind]
    for opcode, payload, options in frames:
        bad.frame(opcode, payload, **options)
    assert bad.read_close()[0] == code
    close = until(lambda: gateway.recent)[0]
    assert (close["code"], close["by"]) == (code, "server")
    gateway.publish("a", "still here")
    assert good.read()["data"] == "still here"


def test_lowering_the_message_size_holds_for_open_connections(start, raw):
    gateway = start()
    link = raw(gateway)
    link.say(id=1, ping="x" * 500)
    assert link.read_json()["ok"]
    gateway.set(max_message_bytes=100)
    link.say(id=2, ping="x" * 500)
    assert link.read_close() == (1009, "the message has more than 100 bytes")


def test_a_bad_client_that_does_not_read_is_dropped_all_the_same(start, client, raw, until):
    settings = {"overflow": "drop-oldest", "heartbeat_interval_s": 0, "write_timeout_s": 0, "close_timeout_s": 0.05}
    gateway = start(settings=settings | {"send_buffer_bytes": 16384})
    bad = raw(gateway, receive_buffer=4096)
    bad.say(id=1, subscribe="a")
    assert bad.read_json()["ok"]
    for _ in range(50):
        gateway.publish("a", "x" * 4000)
    assert gateway.stats["queued_bytes"] > 0
    bad.frame(3)
    until(lambda: gateway.stats["closes"] == {"protocol-error": 1})


def test_nothing_is_sent_after_the_close_frame(start, raw):
    gateway = start(settings={"close_timeout_s": 20})
    link = raw(gateway)
    link.say(id=1, subscribe="a")
    assert link.read_json()["ok"]
    link.frame(2, b"binary")
    assert link.read_close()[0] == 1003
    gateway.publish("a", "late")
    link.say(id=2, ping=1)
    link.frame(9, b"late")
    link.frame(8, struct.pack("!H", 1003))
    assert link.read() is None


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (struct.pack("!H", 4999) + b"bye", 4999)])
def test_the_code_a_client_closes_with_is_recorded_and_echoed(start, raw, until, payload, code):
    gateway = start()
    link = raw(gateway)
    link.frame(8, payload)
    assert link.read()[0] == 8
    assert link.read() is None, "the server closes the socket first, as RFC 6455 wants"
    close = until(lambda: gateway.recent)[0]
    assert (close["code"], close["by"], close["clean"]) == (code, "peer", True)


def test_any_bytes_after_the_handshake_end_in_order(start, client, raw, until):
    gateway = start(settings={"close_timeout_s": 0.05, "max_message_bytes": 1000})
    good = client(gateway)

    @given(st.binary(min_size=1, max_size=300))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def anything(noise):
        link = raw(gateway)
        assert link.status == 101
        link.sock.sendall(noise)
        link.close()

    anything()
    until(lambda: gateway.stats["connections"] == 1, "all noisy clients to be gone")
    assert good.ask(id=1, ping="well")["ping"] == "well"
    assert sum(gateway.stats["closes"].values()) == gateway.stats["accepted"] - 1
