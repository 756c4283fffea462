import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core import protocol
from plumbline.streaming.core.protocol import Ping, Publish, RequestError, Subscribe, Unsubscribe

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
    assert command == Publish(request_id, channel, protocol.encode_data(data))
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
