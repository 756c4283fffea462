"""Tokens over the life of a connection, with a clock of our own."""

import json
from types import SimpleNamespace

import pytest

from plumbline.streaming.core.closes import AUTH_TIMEOUT, BAD_TOKEN, TOKEN_EXPIRED
from plumbline.streaming.core.commands import Authenticate, History, Ping, Presence, Publish, RequestError, Subscribe
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.request import RefusedError, Request
from plumbline.streaming.core.setting_kinds import SettingError
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.guard import Guard

from .conftest import CANARY, NOW


class Connection:
    def __init__(self, identity):
        self.identity = identity
        self.said = []

    def deliver(self, message, now):
        self.said.append(json.loads(message.payload))


class Owner:
    """Stands where the hub stands; its two clocks run together, from different beginnings."""

    def __init__(self, **settings):
        self.settings = Settings(**settings)
        self.counters = Counters()
        self.clock = 0.0
        self.ended = []
        self.over = []
        self.reads = {}
        self.guard = Guard(self, wall=lambda: NOW + self.clock)

    def now(self):
        return 50.0 + self.clock

    def end(self, connection, code, sentence):
        self.ended.append((connection, code, sentence))

    def subscriptions(self, connection):
        return self.reads.get(connection, ())

    def end_subscription(self, connection, channel, code, sentence, *, again):
        self.over.append((channel, code, again))

    def later(self, seconds):
        self.clock += seconds
        self.guard.check(self.now())

    def open(self, request):
        connection = Connection(self.guard.identify(request, "g-1"))
        self.guard.opened(connection)
        return connection


@pytest.fixture
def guarded(keys):
    """Return a function that makes a gateway with tokens of this key."""

    def make(algorithm="EdDSA", **settings):
        return Owner(token_keys=str(keys[algorithm].path), **{"token_leeway_s": 0, **settings})

    return make


def websocket(**headers):
    query = headers.pop("query", "")
    return Request("GET", "/", query, {"upgrade": "websocket", **headers})


def bearer(text):
    return websocket(authorization=f"Bearer {text}")


def codes(owner):
    return [code for _, code, _ in owner.ended]


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


def test_who_shows_no_token_in_time_is_closed(guarded):
    owner = guarded(auth_timeout_s=5)
    owner.open(websocket())
    owner.later(4.9)
    assert owner.ended == []
    owner.later(0.2)
    assert codes(owner) == [AUTH_TIMEOUT]


def test_a_wrong_first_token_closes_the_connection(guarded, keys, token):
    owner = guarded()
    connection = owner.open(websocket())
    with pytest.raises(RequestError) as caught:
        owner.guard.authenticate(connection, Authenticate(1, token(keys["RS256"])))
    assert caught.value.code == "bad-token"
    assert codes(owner) == [BAD_TOKEN]


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


def test_a_clock_that_was_set_is_noticed(guarded, keys, token):
    owner = guarded(expiry_notice_s=0)
    owner.open(bearer(token(keys["EdDSA"], exp=NOW + 3600)))
    owner.guard._wall = lambda: NOW + 4000 + owner.clock
    owner.later(60)
    assert codes(owner) == [TOKEN_EXPIRED]


def test_who_is_gone_is_forgotten(guarded, keys, token):
    owner = guarded()
    connection = owner.open(bearer(token(keys["EdDSA"])))
    owner.guard.gone(connection)
    owner.later(1000)
    assert owner.ended == []
    assert len(owner.guard._deadlines) == 0


# Rotation.


def test_keys_are_read_again_without_dropping_anybody(tmp_path, keys, token):
    path = tmp_path / "current.pem"
    path.write_bytes(keys["EdDSA"].path.read_bytes())
    owner = Owner(token_keys=str(path), token_leeway_s=0)
    connection = owner.open(bearer(token(keys["EdDSA"])))
    path.write_bytes(keys["ES256"].path.read_bytes())
    assert owner.guard.reload() == {"keys": [{"kid": None, "alg": "ES256", "file": str(path)}]}
    assert owner.open(bearer(token(keys["ES256"]))).identity.user == "ada"
    with pytest.raises(RefusedError):
        owner.open(bearer(token(keys["EdDSA"])))
    assert (owner.ended, connection.identity.user) == ([], "ada")


def test_a_wrong_key_file_changes_nothing(tmp_path, keys, token):
    path = tmp_path / "current.pem"
    path.write_bytes(keys["EdDSA"].path.read_bytes())
    owner = Owner(token_keys=str(path))
    path.write_text("short")
    with pytest.raises(SettingError, match=r"token_keys: .*32 bytes"):
        owner.guard.reload()
    assert owner.open(bearer(token(keys["EdDSA"]))).identity.user == "ada"


def test_a_gateway_without_usable_keys_does_not_start(tmp_path):
    with pytest.raises(SettingError, match="token_keys"):
        Owner(token_keys=str(tmp_path / "none"))


def test_what_the_admin_socket_says_of_keys_holds_no_key(keys):
    owner = Owner(token_keys=str(keys["HS256"].path))
    assert "secret of" not in json.dumps(owner.guard.keys())


def test_a_namespace_is_enough_of_a_connection():
    owner = Owner()
    owner.guard.gone(SimpleNamespace(identity=owner.guard.identify(websocket(), "x")))
    assert owner.guard.keys() == {"keys": []}
