"""Clients that take for ever, or take nothing: closed with the right code, counted, and felt by nobody else."""

import contextlib

import pytest

from ..conftest import wait_until  # noqa: TID252 - tests are no installed package
from .conftest import PING, TEXT, close_code_of, frame

SLOW = {"send_buffer_bytes": 16384, "queue_max_bytes": 65536, "close_timeout_s": 0.2}


@pytest.mark.with_settings({"handshake_timeout_s": 600})
def test_a_handshake_that_never_ends_is_dropped(dial, gateway, metrics):
    wires = [dial() for _ in range(20)]
    for wire in wires:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    wait_until(lambda: gateway.stats["handshakes_waiting"] == 20)
    gateway.set(handshake_timeout_s=0.1)
    wait_until(lambda: gateway.stats["handshake_timeouts"] == 20)
    for wire in wires:
        assert wire.answer()[0] in (408, None)
    assert metrics("plumbline_gateway_handshake_timeouts_total") == 20


@pytest.mark.with_settings({"heartbeat_interval_s": 0.2, "heartbeat_timeout_s": 1.5, "close_timeout_s": 0.1})
def test_a_half_open_socket_is_noticed(wire, counted):
    counted("heartbeat-timeout")
    assert wire.closed_with() == 4010


DRIBBLING = {
    "message_timeout_s": 0.3,
    "heartbeat_interval_s": 0,
    "close_timeout_s": 0.2,
    "commands_per_s": 0,
    "frames_per_s": 0,  # however fast this machine is, it is the time that ends the connection
}


@pytest.mark.with_settings(DRIBBLING)
def test_a_frame_whose_bytes_trickle_in_is_closed_though_none_of_them_is_late(wire, counted, metrics, gateway):
    whole = frame(TEXT, b" " * 60_000 + b'{"id":1,"ping":0}')
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while sent < len(whole) and not gateway.stats["closes"].get("message-timeout"):
            wire.send(whole[sent : sent + 1])  # the gateway is asked in between, which takes time
            sent += 1
    assert sent < len(whole)
    assert wire.closed_with() in (4013, None)
    counted("message-timeout")
    assert metrics("plumbline_gateway_closes_total", reason="message-timeout") == 1


@pytest.mark.with_settings(DRIBBLING)
def test_a_message_whose_last_fragment_never_comes_is_closed_though_the_client_pings(wire, counted, gateway):
    wire.frame(TEXT, b'{"id":1,', fin=False)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # closed before it is counted, or while we send
        while not gateway.stats["closes"]:
            wire.frame(PING, b"")
    assert close_code_of(wire) in (4013, None)
    counted("message-timeout")


@pytest.mark.with_settings(DRIBBLING)
def test_a_client_that_always_has_half_a_frame_under_way_but_finishes_each_is_not_closed(wire, gateway):
    whole = frame(TEXT, b'{"id":1,"ping":0}')
    wire.send(whole[:5])
    began = gateway.stats["uptime_s"]
    while gateway.stats["uptime_s"] - began < 1:  # by the gateway's own clock: three times as long as one may take
        wire.send(whole[5:] + whole[:5])
        assert wire.read_json()["id"] == 1
    assert gateway.stats["closes"] == {}


@pytest.mark.with_settings({**SLOW, "overflow": "disconnect", "heartbeat_interval_s": 0})
def test_a_client_that_never_reads_is_closed(wire, gateway, counted, metrics):
    wire.say(id=1, subscribe="flood")
    assert wire.read_json()["ok"]
    for _ in range(40):
        gateway.publish("flood", "x" * 60_000)
        if gateway.stats["closes"].get("slow-consumer"):
            break
    counted("slow-consumer")
    assert metrics("plumbline_gateway_closes_total", reason="slow-consumer") == 1
