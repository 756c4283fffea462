import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core import protocol
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.protocol import (
    Authenticate,
    History,
    Mode,
    Ping,
    Presence,
    Publish,
    RequestError,
    Subscribe,
    Unsubscribe,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ids = st.none() | st.integers(-(2**62), 2**62) | st.text(max_size=64)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=200)


def request_text(**request):
    return json.dumps(request)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")) | json_values.map(json.dumps))
def test_no_text_whatever_breaks_the_parser(text):
    try:
        command = protocol.parse(text)
    except RequestError as refused:
        answer = json.loads(protocol.error(refused))
        assert answer["error"]["code"] == refused.code  # noqa: PT017 - to be refused is as right
        assert answer["error"]["message"]
    else:
        assert isinstance(command, protocol.Command)


@given(ids, names, json_values)
def test_what_is_published_comes_out_as_it_went_in(request_id, channel, data):
    command = protocol.parse(request_text(id=request_id, publish=channel, data=data))
    assert (command.request, command.channel) == (request_id, channel)
    assert repr(json.loads(command.data)) == repr(data)
    message = json.loads(protocol.message(channel, 7, command.data))
    assert message == {"channel": channel, "offset": 7, "data": data}


@given(ids, names)
def test_subscribe_and_unsubscribe_are_read(request_id, channel):
    assert protocol.parse(request_text(id=request_id, subscribe=channel)) == Subscribe(request_id, channel)
    assert protocol.parse(request_text(id=request_id, unsubscribe=channel)) == Unsubscribe(request_id, channel)


@given(ids, json_values)
def test_a_ping_comes_back_with_its_data(request_id, data):
    command = protocol.parse(request_text(id=request_id, ping=data))
    assert isinstance(command, Ping)
    assert json.loads(protocol.pong(command.request, command.data)) == {"id": request_id, "ok": True, "ping": data}


@given(ids)
def test_answers_repeat_the_id(request_id):
    assert json.loads(protocol.ok(request_id, offset=3)) == {"id": request_id, "ok": True, "offset": 3}


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"subscribe": 1}, "bad-channel", "1 to 200 characters"),
        ({"subscribe": "a b"}, "bad-channel", "white space"),
        ({"subscribe": "x" * 201}, "bad-channel", "200"),
        ({"subscribe": "\ud800"}, "bad-channel", "name"),
        ({"subscribe": "a", "publish": "b"}, "malformed", "subscribe and publish"),
        ({"subscribe": "a", "data": 1}, "malformed", "'data' does not belong to subscribe"),
        ({"subscribe": "a", "sinse": 1}, "malformed", "did you mean 'since'?"),
        ({"subscribe": "a", "since": 7}, "malformed", "since must be"),
        ({"subscribe": "a", "since": {"epoch": "e"}}, "malformed", "since must be"),
        ({"subscribe": "a", "since": {"epoch": "", "offset": 1}}, "malformed", "1 to 64 characters"),
        ({"subscribe": "a", "since": {"epoch": "e", "offset": True}}, "malformed", "whole number from 0"),
        ({"subscribe": "a", "since": {"epoch": "e", "offset": -1}}, "malformed", "whole number from 0"),
        ({"subscribe": "a", "mode": "newest"}, "malformed", "all, latest"),
        ({"subscribe": "a", "join": 1}, "malformed", "join must be true or false"),
        ({"subscribe": "$a"}, "bad-channel", "the gateway's own"),
        ({"history": "a", "limit": 0}, "malformed", "limit must be"),
        ({"history": "a", "limit": True}, "malformed", "limit must be"),
        ({"publish": "a", "data": 1, "key": ""}, "malformed", "key must be"),
        ({"publish": "a", "data": 1, "key": "x" * 129}, "malformed", "128"),
        ({"publish": "a", "data": 1, "key": "a\nb"}, "malformed", "printable"),
        ({"auth": 5}, "malformed", "token as text"),
        ({"auth": "ä"}, "malformed", "token as text"),
        ({"id": True, "ping": 1}, "malformed", "id must be"),
        ({"id": [1], "ping": 1}, "malformed", "id must be"),
        ({"id": "x" * 65, "ping": 1}, "malformed", "64 characters"),
        ({"id": 1, "unsubcribe": "a"}, "unknown-command", "did you mean 'unsubscribe'?"),
        ({"id": 1, "zzz": "a"}, "unknown-command", "subscribe, unsubscribe, publish, history, presence, auth, ping"),
    ],
)
def test_what_is_wrong_is_said(request_, code, says):
    with pytest.raises(RequestError, match=r".") as refused:
        protocol.parse(json.dumps(request_))
    assert refused.value.code == code
    assert says in refused.value.message


@pytest.mark.parametrize("text", ["NaN", '{"publish": "a", "data": NaN}', '{"publish": "a", "data": Infinity}'])
def test_constants_that_are_not_json_are_refused(text):
    with pytest.raises(RequestError, match="is not JSON"):
        protocol.parse(text)


def test_a_number_that_becomes_infinite_is_refused():
    with pytest.raises(RequestError, match="data cannot be sent on"):
        protocol.parse('{"publish": "a", "data": -1e999}')


def test_half_a_surrogate_pair_passes_as_an_escape():
    command = protocol.parse('{"publish": "a", "data": "\\ud800"}')
    assert command.data == b'"\\ud800"'


def test_what_a_program_cannot_publish_is_a_value_error():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    for value in (float("nan"), {1, 2}, nested):
        with pytest.raises(ValueError, match=r"."):
            protocol.encode_data(value)


def test_every_command_is_read_with_all_it_may_have():
    since = {"epoch": "e", "offset": 2**62}
    known = Position("e", 2**62)
    told = [
        (
            {"subscribe": "a", "since": since, "mode": "latest", "join": True},
            Subscribe(1, "a", known, Mode.LATEST, True),
        ),
        ({"subscribe": "a", "since": None, "mode": None}, Subscribe(1, "a")),
        ({"history": "a", "since": since, "limit": 9}, History(1, "a", known, 9)),
        ({"history": "a", "limit": None}, History(1, "a")),
        ({"presence": "a"}, Presence(1, "a")),
        ({"publish": "a", "data": 1, "key": "k"}, Publish(1, "a", b"1", "k")),
        ({"publish": "a", "key": None}, Publish(1, "a", b"null")),
        ({"auth": "t.o.k"}, Authenticate(1, "t.o.k")),
    ]
    for request, command in told:
        assert protocol.parse(json.dumps({"id": 1, **request})) == command
    batch = protocol.parse_all(json.dumps([{"id": 1, **request} for request, _ in told]), len(told))
    assert batch == [command for _, command in told]


def test_a_token_is_not_shown():
    assert "secret" not in repr(Authenticate(1, "secret"))


@pytest.mark.parametrize("text", ["3", '"subscribe"', "[]", "[1, 2, 3]"])
def test_a_message_is_an_object_or_an_array_that_is_not_too_long(text):
    with pytest.raises(RequestError) as refused:
        protocol.parse_all(text, 2)
    assert refused.value.code == "malformed"


def test_a_message_is_encoded_once_for_each_transport():
    message = Message.published("a", Position("e", 3), b"[1]")
    assert message.payload == b'{"channel":"a","offset":3,"data":[1]}'
    assert message.frame is message.frame
    assert message.block == b"data: " + message.payload + b"\n\n"
    newest = message.for_newest_only()
    assert newest.frame is message.frame
    assert newest.block is message.block
    assert (newest.newest_only, newest.position, newest.channel) == (True, Position("e", 3), "a")


def test_the_gateways_own_words_are_what_the_contract_says():
    assert json.loads(protocol.reconnect(1.23456, 30, "drain")) == {
        "reconnect": {"after_s": 1.235, "within_s": 30, "because": "drain"}
    }
    assert json.loads(protocol.hello("c", 25.0, max_batch=64))["hello"] == {
        "client": "c",
        "version": 2,
        "heartbeat_s": 25.0,
        "max_batch": 64,
        "resume": True,
    }
    failed = RequestError("unavailable", "no", 7, retry_after_s=1.00049)
    assert json.loads(protocol.error(failed)) == {
        "id": 7,
        "error": {"code": "unavailable", "message": "no", "retry_after_s": 1.0},
    }
