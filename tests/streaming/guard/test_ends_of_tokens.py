"""Tokens that never come, end, or are replaced in time."""

import json

import pytest

from plumbline.streaming.core.closes import AUTH_TIMEOUT, TOKEN_EXPIRED
from plumbline.streaming.core.commands import Authenticate, RequestError

from .conftest import NOW, bearer, codes, websocket


def test_who_shows_no_token_in_time_is_closed(guarded):
    owner = guarded(auth_timeout_s=5)
    owner.open(websocket())
    owner.later(4.9)
    assert owner.ended == []
    owner.later(0.2)
    assert codes(owner) == [AUTH_TIMEOUT]


def test_the_end_of_a_token_is_announced_once_and_then_closes(guarded, keys, token):
    owner = guarded(expiry_notice_s=10)
    connection = owner.open(bearer(token(keys["EdDSA"])))
    owner.later(49)
    assert connection.said == []
    owner.later(1)
    assert connection.said == [{"expiring": {"in_s": 10.0}}]
    owner.later(9)
    assert (len(connection.said), owner.ended) == (1, [])
    owner.later(1)
    assert codes(owner) == [TOKEN_EXPIRED]
    owner.later(100)
    assert len(owner.ended) == 1


def test_a_fresh_token_keeps_the_connection(guarded, keys, token):
    owner = guarded(expiry_notice_s=10)
    connection = owner.open(bearer(token(keys["EdDSA"])))
    owner.later(55)
    answer = owner.guard.authenticate(connection, Authenticate(1, token(keys["EdDSA"], exp=NOW + 200)))
    assert json.loads(answer)["expires_in_s"] == 145
    assert owner.counters.tokens == {"accepted": 1, "refreshed": 1}
    owner.later(60)
    assert owner.ended == []
    owner.later(75)
    assert [said["expiring"]["in_s"] for said in connection.said] == [5.0, 10.0]
    owner.later(10)
    assert codes(owner) == [TOKEN_EXPIRED]


def test_a_token_that_ends_within_the_notice_is_announced_at_once(guarded, keys, token):
    owner = guarded(expiry_notice_s=100)
    assert owner.open(bearer(token(keys["EdDSA"]))).said == [{"expiring": {"in_s": 60.0}}]


def test_the_notice_can_be_switched_off(guarded, keys, token):
    owner = guarded(expiry_notice_s=0)
    connection = owner.open(bearer(token(keys["EdDSA"])))
    owner.later(59)
    assert connection.said == []
    owner.later(1)
    assert codes(owner) == [TOKEN_EXPIRED]


def test_a_wrong_fresh_token_changes_nothing(guarded, keys, token):
    owner = guarded()
    connection = owner.open(bearer(token(keys["EdDSA"])))
    for wrong in (token(keys["ES256"]), token(keys["EdDSA"], sub="eve"), token(keys["EdDSA"], sub=None)):
        with pytest.raises(RequestError) as caught:
            owner.guard.authenticate(connection, Authenticate(1, wrong))
        assert caught.value.code == "bad-token"
    assert (connection.identity.user, owner.ended) == ("ada", [])


def test_a_fresh_token_that_permits_less_ends_subscriptions(guarded, keys, token):
    owner = guarded()
    connection = owner.open(bearer(token(keys["EdDSA"], channels={"subscribe": ["a", "b.*"]})))
    owner.reads[connection] = ["a", "b.1", "b.2"]
    fresh = token(keys["EdDSA"], channels={"subscribe": ["a", "b.1"]})
    owner.guard.authenticate(connection, Authenticate(1, fresh))
    assert owner.over == [("b.2", "not-allowed", False)]


def test_a_clock_that_was_set_is_noticed(guarded, keys, token):
    owner = guarded(expiry_notice_s=0)
    owner.open(bearer(token(keys["EdDSA"], exp=NOW + 3600)))
    owner.guard._wall = lambda: NOW + 4000 + owner.clock
    owner.later(60)
    assert codes(owner) == [TOKEN_EXPIRED]
