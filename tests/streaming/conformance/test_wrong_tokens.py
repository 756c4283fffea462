"""Wrong, missing and expired tokens: closed with a code of their own, and found nowhere."""

import json
import time

import pytest

from .conftest import SECRET, TEXT, close_code_of, frame, signed


def put_clock_ahead(gateway, seconds):
    """Have the gateway's guard read tokens' times by a clock that is ahead, and look at once."""
    hub = gateway.gateway._hub
    hub.guard._wall = lambda: time.time() + seconds
    gateway.call(lambda: hub.guard.check(hub.now() + 3600))


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
