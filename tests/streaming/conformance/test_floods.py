"""Clients that send too often: refused, then closed, and felt by nobody else."""

import contextlib
import json

import pytest

from .conftest import CONTINUATION, PING, PONG, TEXT, close_code_of, frame


def flood(wire, data, times=100_000):
    """Send without end, until the server has enough."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        wire.sock.settimeout(0.3)  # TCP holds us: the server no longer listens
        for _ in range(times):
            wire.send(data)


@pytest.mark.with_settings({"frames_per_s": 200, "close_timeout_s": 0.2, "heartbeat_interval_s": 0})
@pytest.mark.parametrize(
    "data",
    [
        frame(PING, b"") * 100,
        frame(PONG, b"") * 100,
        frame(CONTINUATION, b"", fin=False) * 100,
        frame(TEXT, b'{"ping":1}') * 100,
    ],
    ids=["pings", "pongs", "empty fragments", "small commands"],
)
def test_a_flood_of_frames_is_closed(wire, counted, metrics, bystander, data):
    if data[0] == CONTINUATION:
        wire.frame(TEXT, b"", fin=False)
    flood(wire, data)
    counted("rate-limited")
    bystander.hears(20)
    assert close_code_of(wire) in (4029, None)
    assert metrics("plumbline_gateway_rate_limited_total", limit="frames") >= 1


@pytest.mark.with_settings({"commands_per_s": 0.1, "burst_s": 100, "max_refusals": 5, "close_timeout_s": 0.2})
def test_commands_beyond_the_rate_are_refused_and_then_closed(wire, counted, metrics):
    wire.send(b"".join(frame(TEXT, b'{"id":%d,"ping":0}' % number) for number in range(16)))
    answers = [wire.read_json() for _ in range(15)]
    assert [answer["id"] for answer in answers] == list(range(15))
    assert all(answer.get("ok") for answer in answers[:10])
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert {error["code"] for error in refused} == {"rate-limited"}
    assert all(0 < error["retry_after_s"] <= 20 for error in refused)
    assert close_code_of(wire) == 4029
    counted("rate-limited")
    assert metrics("plumbline_gateway_rate_limited_total", limit="commands") == 6


@pytest.mark.with_settings({"commands_per_s": 0.1, "burst_s": 100})
def test_a_batch_costs_as_much_as_its_requests(wire):
    wire.frame(TEXT, json.dumps([{"id": number, "ping": 0} for number in range(8)]).encode())
    assert all(wire.read_json()["ok"] for _ in range(8))
    wire.frame(TEXT, json.dumps([{"id": number, "ping": 0} for number in range(8)]).encode())
    refused = [wire.read_json() for _ in range(8)]
    assert [answer["id"] for answer in refused] == list(range(8))
    assert {answer["error"]["code"] for answer in refused} == {"rate-limited"}


@pytest.mark.with_settings({"publishes_per_s": 0.01, "burst_s": 100})
def test_a_channel_takes_as_many_messages_as_it_may(wire):
    wire.say(id=1, publish="a", data=1)
    wire.say(id=2, publish="a", data=2)
    wire.say(id=3, publish="b", data=3)
    answers = {answer["id"]: answer for answer in (wire.read_json() for _ in range(3))}
    assert answers[2]["error"]["code"] == "rate-limited"
    assert (answers[1]["ok"], answers[3]["ok"]) == (True, True)
