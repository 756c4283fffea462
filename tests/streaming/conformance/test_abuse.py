"""Clients that mean harm, or mean none but are broken: closed with the right code, counted, and felt by nobody else."""

import contextlib
import json
import struct
import time

import jwt
import pytest
import uvloop
from websockets.sync.client import connect

from ..conftest import Running, wait_until  # noqa: TID252 - tests are no installed package
from .conftest import CLOSE, CONTINUATION, LIMIT, PING, PONG, TEXT, Bystander, frame

must = pytest.mark.must
SECRET = b"a secret for these tests only, and of 32 bytes"
SLOW = {"send_buffer_bytes": 16384, "queue_max_bytes": 65536, "close_timeout_s": 0.2}


def signed(**claims):
    said = {"sub": "ada", "exp": time.time() + 3600, "channels": {"subscribe": ["a"], "publish": ["a"]}, **claims}
    return jwt.encode(said, SECRET, algorithm="HS256")


@pytest.fixture
def gateway(request, tmp_path, shared):
    """Return the shared gateway, or one with the settings of the test's `with_settings` marker."""
    mark = request.node.get_closest_marker("with_settings")
    if mark is None:
        yield shared
        return
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    own = {key: str(path) if value == "SECRET" else value for key, value in mark.args[0].items()}
    running = Running(uvloop.new_event_loop, settings=own)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def bystander(gateway):
    """Have a bystander in every test; where tokens are asked for, it has one."""
    token = {"Authorization": f"Bearer {signed(channels={'subscribe': ['bystander-*']})}"}
    more = token if gateway.gateway.settings.token_keys else {}
    with connect(gateway.url, compression=None, proxy=None, additional_headers=more) as link:
        other = Bystander(gateway, link)
        other.hears()
        yield other
        other.hears()


def put_clock_ahead(gateway, seconds):
    """Have the gateway's guard read tokens' times by a clock that is ahead, and look at once."""
    hub = gateway.gateway._hub
    hub.guard._wall = lambda: time.time() + seconds
    gateway.call(lambda: hub.guard.check(hub.now() + 3600))


def flood(wire, data, times=100_000):
    """Send without end, until the server has enough."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        wire.sock.settimeout(0.3)  # TCP holds us: the server no longer listens
        for _ in range(times):
            wire.send(data)


def close_code_of(wire):
    """Return the code of the close frame, wherever in the stream it stands; None if the reset swallowed it."""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while (got := wire.read()) is not None:
            if got[0] == CLOSE:
                return struct.unpack("!H", got[1][:2])[0]
    return None


# Size.


@must("10.4", "a frame that is too large is refused by its header, before it is held")
@pytest.mark.parametrize("length", [LIMIT + 1, 1 << 20, 1 << 40, (1 << 63) - 1])
def test_a_frame_that_says_it_is_too_large_is_refused(wire, counted, length):
    wire.frame(TEXT, b"x" * 10, length=length, form=8)
    assert wire.closed_with() == 1009
    counted("message-too-big")


@must("10.4", "a message that grows too large in fragments is refused when it does")
def test_fragments_that_are_too_large_together_are_refused(wire, counted):
    for number in range(9):
        wire.frame(TEXT if number == 0 else CONTINUATION, b"x" * (LIMIT // 8), fin=False)
    assert wire.closed_with() == 1009
    counted("message-too-big")


def test_what_is_sent_behind_a_refused_header_is_not_held(wire, gateway, counted):
    before = gateway.stats["resident_bytes"]
    wire.frame(TEXT, b"", length=1 << 40, form=8)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(64):
            wire.send(bytes(1 << 20))
    counted("message-too-big")
    assert gateway.stats["resident_bytes"] - before < 32 << 20, "half of what was sent"


# Time.


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


# Floods.


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


# Tokens.

TOKENS = {"token_keys": "SECRET", "token_leeway_s": 0, "auth_timeout_s": 600, "close_timeout_s": 0.2}


@pytest.mark.with_settings(TOKENS)
@pytest.mark.parametrize(
    ("claims", "code", "reason"),
    [({"exp": 1}, 4001, "token-expired"), ({"channels": 7}, 4501, "bad-token"), ({"aud": "x"}, 4501, "bad-token")],
)
@pytest.mark.parametrize("way", ["address", "command"])
def test_a_wrong_token_is_closed_with_its_code(dial, gateway, counted, metrics, way, claims, code, reason):
    text = signed(**claims)
    wire = dial()
    if way == "address":
        wire.open(line=f"GET /?token={text} HTTP/1.1")
    else:
        wire.open()
        wire.say(id=1, auth=text)
    assert close_code_of(wire) == code
    counted(reason)
    assert metrics("plumbline_gateway_tokens_total", result=reason) == 1


@pytest.mark.with_settings(TOKENS)
@pytest.mark.parametrize("text", ["nonsense", "a.b.c", signed(exp=1)])
def test_a_wrong_token_in_a_header_is_answered_401(dial, gateway, text):
    assert dial().handshake(Authorization=f"Bearer {text}")[0] == 401
    assert sum(gateway.stats["rejected"].values()) == 1


@pytest.mark.with_settings({**TOKENS, "auth_timeout_s": 0.1})
def test_no_token_in_time_is_closed(dial, counted):
    wire = dial()
    wire.send(wire.request() + frame(TEXT, b'{"id":1,"subscribe":"a"}'))  # at once: this much is always in time
    assert wire.answer()[0] == 101
    assert wire.read_json()["error"]["code"] == "not-authenticated"
    assert close_code_of(wire) == 4002
    counted("auth-timeout")


@pytest.mark.with_settings({**TOKENS, "expiry_notice_s": 600})
def test_a_token_that_ends_is_announced_and_then_closes(dial, counted, gateway):
    wire = dial().open(Authorization=f"Bearer {signed(exp=time.time() + 700)}")
    wire.say(id=1, subscribe="a")
    assert wire.read_json()["ok"]
    put_clock_ahead(gateway, 200)
    assert 400 < wire.read_json()["expiring"]["in_s"] <= 500
    put_clock_ahead(gateway, 699.8)  # the last moment passes as time does
    assert close_code_of(wire) == 4001
    counted("token-expired")


@pytest.mark.with_settings(TOKENS)
def test_a_fresh_token_that_permits_less_ends_a_subscription(dial):
    wire = dial().open(Authorization=f"Bearer {signed()}")
    wire.say(id=1, subscribe="a")
    assert wire.read_json()["ok"]
    wire.say(id=2, publish="b", data=1)
    assert wire.read_json()["error"]["code"] == "not-allowed"
    wire.say(id=3, auth=signed(channels={"subscribe": ["b"]}))
    said = [wire.read_json(), wire.read_json()]
    assert {answer.get("channel", answer.get("id")) for answer in said} == {"a", 3}
    ended = next(answer["ended"] for answer in said if "ended" in answer)
    assert (ended["code"], ended["again"]) == ("not-allowed", False)


@pytest.mark.with_settings(TOKENS)
def test_a_token_is_found_in_no_log_metric_answer_or_admin_view(dial, gateway, caplog):
    canary = signed(jti="canary")
    with caplog.at_level("DEBUG"):
        dial().open(Authorization=f"Bearer {canary}").say(id=1, subscribe="a")
        wire = dial().open(line=f"GET /?token={canary} HTTP/1.1")
        wire.say(id=1, auth=canary + "x")
        answer = json.dumps(wire.read_json())
        status, headers = dial().handshake(Authorization=f"Bearer {canary}x")
        shown = json.dumps([gateway.stats, gateway.queues, gateway.recent, gateway.call(gateway.gateway._settings_now)])
        exposed = gateway.call(gateway.gateway._exposition)
    assert (status, "error" in answer) == (401, True)
    for place in (caplog.text, answer, str(headers), shown, str(exposed)):
        assert canary not in place
        assert canary.rpartition(".")[2] not in place
        assert SECRET.decode() not in place
