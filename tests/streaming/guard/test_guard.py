"""Tokens over the life of a connection, with a clock of our own."""

import json
from types import SimpleNamespace

import pytest

from plumbline.streaming.core.closes import BAD_TOKEN, TOKEN_EXPIRED
from plumbline.streaming.core.commands import Authenticate, History, Ping, Presence, Publish, RequestError, Subscribe
from plumbline.streaming.core.request import RefusedError, Request

from .conftest import CANARY, NOW, Owner, bearer, codes, websocket


@pytest.mark.parametrize("where", ["header", "address", "subprotocol"])
def test_a_token_in_the_handshake_lets_in_as_its_user(guarded, keys, token, where):
    owner, text = guarded(), token(keys["EdDSA"], channels={"subscribe": ["a"]})
    ways = {
        "header": bearer(text),
        "address": websocket(query=f"hello=1&token={text}"),
        "subprotocol": websocket(**{"sec-websocket-protocol": f"plumbline.v2, bearer.{text}"}),
    }
    connection = owner.open(ways[where])
    assert (connection.identity.client, connection.identity.user) == ("g-1", "ada")
    assert owner.counters.tokens == {"accepted": 1}
    assert owner.ended == []


def test_without_keys_everybody_is_let_in_and_auth_is_a_courtesy():
    owner = Owner()
    connection = owner.open(websocket())
    owner.guard.demand(connection, Subscribe(1, "a", join=True))
    assert json.loads(owner.guard.authenticate(connection, Authenticate(1, "x")))["expires_in_s"] is None
    owner.later(1e6)
    assert owner.ended == []


def test_a_wrong_token_in_a_header_is_answered_401(guarded, keys, token):
    owner = guarded()
    for text, reason in ((token(keys["ES256"]), "bad-token"), (token(keys["EdDSA"], exp=NOW - 1), "token-expired")):
        with pytest.raises(RefusedError) as caught:
            owner.open(bearer(text))
        assert (caught.value.status, caught.value.reason) == (401, reason)
        assert "WWW-Authenticate" in caught.value.headers
        assert CANARY not in caught.value.sentence
    assert owner.counters.tokens == {"bad-token": 1, "token-expired": 1}


def test_a_wrong_token_of_a_browsers_script_gets_a_close_code_it_can_see(guarded, keys, token):
    owner = guarded()
    expired = token(keys["EdDSA"], exp=NOW - 1)
    owner.open(websocket(query=f"token={expired}"))
    owner.open(websocket(query="token=nonsense"))
    assert codes(owner) == [TOKEN_EXPIRED, BAD_TOKEN]


def test_a_plain_request_needs_a_token_at_once(guarded, keys, token):
    owner = guarded()
    with pytest.raises(RefusedError) as caught:
        owner.guard.identify(Request("GET", "/sse", "", {}), "g-1")
    assert (caught.value.status, caught.value.reason) == (401, "no-token")
    with pytest.raises(RefusedError):
        owner.guard.identify(Request("GET", "/sse", "token=nonsense", {}), "g-1")
    shown = Request("GET", "/sse", f"token={token(keys['EdDSA'])}", {})
    assert owner.guard.identify(shown, "g-1").user == "ada"


def test_a_token_may_come_as_the_first_command(guarded, keys, token):
    owner = guarded()
    connection = owner.open(websocket())
    with pytest.raises(RequestError, match="show a token first") as caught:
        owner.guard.demand(connection, Subscribe(1, "a"))
    assert caught.value.code == "not-authenticated"
    owner.guard.demand(connection, Ping(2, b"1"))
    command = Authenticate(3, token(keys["EdDSA"], channels={"subscribe": ["a"]}))
    assert json.loads(owner.guard.authenticate(connection, command)) == {"id": 3, "ok": True, "expires_in_s": 60.0}
    owner.guard.demand(connection, Subscribe(4, "a"))
    owner.later(6)
    assert owner.ended == []


def test_a_wrong_first_token_closes_the_connection(guarded, keys, token):
    owner = guarded()
    connection = owner.open(websocket())
    with pytest.raises(RequestError) as caught:
        owner.guard.authenticate(connection, Authenticate(1, token(keys["RS256"])))
    assert caught.value.code == "bad-token"
    assert codes(owner) == [BAD_TOKEN]


def test_each_command_needs_its_own_permission(guarded, keys, token):
    owner = guarded()
    permitted = {"subscribe": ["s"], "publish": ["p"], "history": ["h"], "presence": ["w"]}
    connection = owner.open(bearer(token(keys["EdDSA"], channels=permitted)))
    for command in (Subscribe(1, "s"), Publish(1, "p", b"1"), History(1, "h"), Presence(1, "w")):
        owner.guard.demand(connection, command)
    for command in (Subscribe(1, "p"), Publish(1, "s", b"1"), History(1, "s"), Presence(1, "s")):
        with pytest.raises(RequestError) as caught:
            owner.guard.demand(connection, command)
        assert caught.value.code == "not-allowed"
    with pytest.raises(RequestError, match="presence"):
        owner.guard.demand(connection, Subscribe(1, "s", join=True))


def test_who_is_gone_is_forgotten(guarded, keys, token):
    owner = guarded()
    connection = owner.open(bearer(token(keys["EdDSA"])))
    owner.guard.gone(connection)
    owner.later(1000)
    assert owner.ended == []
    assert len(owner.guard._deadlines) == 0


def test_a_namespace_is_enough_of_a_connection():
    owner = Owner()
    owner.guard.gone(SimpleNamespace(identity=owner.guard.identify(websocket(), "x")))
    assert owner.guard.keys() == {"keys": []}
