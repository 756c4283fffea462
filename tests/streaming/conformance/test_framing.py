"""RFC 6455, section 5: frames, masks, lengths, fragments, control frames."""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import BINARY, CLOSE, CONTINUATION, LIMIT, PING, PONG, TEXT, frame

must = pytest.mark.must
ASK = b'{"id":1,"ping":"well"}'
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def refused(wire, counted, code=1002, reason="protocol-error"):
    assert wire.closed_with() == code
    counted(reason)


@must("5.1", "a frame that is not masked closes the connection, with 1002")
@must("10.3", "a client must mask every frame")
@pytest.mark.parametrize("opcode", [TEXT, CONTINUATION, PING, CLOSE])
def test_a_frame_without_mask_is_refused(wire, counted, opcode):
    wire.frame(opcode, b"", mask=None)
    refused(wire, counted)


@must("5.1", "the server masks no frame")
@must("5.2", "the server sets no reserved bit, and writes lengths in as few bytes as it can")
@pytest.mark.parametrize("size", [0, 1, 80, 125, 126, 127, 128, 1000, 65_535, 65_536, 69_000])
def test_the_servers_own_frames_are_as_they_must_be(wire, size):
    wire.say(id=1, ping="x" * size)
    first, second, payload = wire.read_raw()
    assert first == 0x80 | TEXT
    shown = len(payload)
    assert second == (shown if shown < 126 else 126 if shown < 65536 else 127)
    assert json.loads(payload)["ping"] == "x" * size


@must("5.2", "a reserved bit without an extension that defines it fails the connection")
@pytest.mark.parametrize("rsv", [4, 2, 1, 7])
@pytest.mark.parametrize("opcode", [TEXT, PING, PONG, CLOSE])
def test_a_reserved_bit_is_refused(wire, counted, rsv, opcode):
    wire.frame(opcode, ASK if opcode == TEXT else b"", rsv=rsv)
    refused(wire, counted)


@must("5.2", "a reserved bit in a later fragment fails the connection too")
def test_a_reserved_bit_in_a_continuation_is_refused(wire, counted):
    wire.frame(TEXT, b'{"id":', fin=False)
    wire.frame(CONTINUATION, b'1,"ping":1}', rsv=4)
    refused(wire, counted)


@must("5.2", "an unknown opcode fails the connection")
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_an_opcode_that_is_none_is_refused(wire, counted, opcode, payload):
    wire.frame(opcode, payload)
    refused(wire, counted)


@must("5.2", "a length is written in as few bytes as it can be")
@pytest.mark.parametrize(("size", "form"), [(0, 2), (125, 2), (1, 8), (126, 8), (65_535, 8)])
def test_a_length_in_too_many_bytes_is_refused(wire, counted, size, form):
    wire.frame(TEXT, b"", length=size, form=form)
    refused(wire, counted)


@must("5.2", "the first bit of a length of eight bytes is 0")
def test_a_negative_length_is_refused(wire, counted):
    wire.frame(TEXT, b"", length=1 << 63, form=8)
    refused(wire, counted)


@must("5.2", "lengths of every form are read")
@pytest.mark.parametrize("size", [30, 125, 126, 127, 128, 65_535, 65_536, LIMIT])
def test_a_message_of_any_length_up_to_the_limit_is_read(wire, size):
    text = json.dumps({"id": 1, "ping": "x" * (size - len('{"id": 1, "ping": ""}'))}).encode()
    assert len(text) == size
    wire.frame(TEXT, text)
    assert len(wire.read_json()["ping"]) == size - len('{"id": 1, "ping": ""}')


@must("5.3", "the mask is undone, whatever it is, and each frame has its own")
@given(masks=st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=5), text=st.text(max_size=300))
@relaxed
def test_any_mask_is_undone(dial, masks, text):
    wire = dial().open()
    for number, mask in enumerate(masks):
        wire.frame(TEXT, json.dumps({"id": number, "ping": text}).encode(), mask=mask)
        assert wire.read_json() == {"id": number, "ok": True, "ping": text}


@must("5.4", "a message in any number of fragments, empty ones too, is one message")
@given(cuts=st.lists(st.integers(0, 60), max_size=8), text=st.text("aé☃😀", max_size=12))
@relaxed
def test_fragments_are_put_together(dial, cuts, text):
    wire = dial().open()
    whole = json.dumps({"id": 1, "ping": text}, ensure_ascii=False).encode()
    at = sorted(min(cut, len(whole)) for cut in cuts)
    pieces = [whole[begin:end] for begin, end in zip([0, *at], [*at, len(whole)], strict=True)]
    for number, piece in enumerate(pieces):
        wire.frame(TEXT if number == 0 else CONTINUATION, piece, fin=number == len(pieces) - 1)
    assert wire.read_json()["ping"] == text


@must("5.4", "control frames may stand in the middle of a fragmented message, and are answered there")
@must("5.5", "a control frame in the middle of a message is taken at once")
def test_a_ping_between_fragments_is_answered_before_the_message(wire):
    wire.frame(TEXT, ASK[:5], fin=False)
    wire.frame(PING, b"now")
    assert wire.read() == (PONG, b"now")
    wire.frame(CONTINUATION, ASK[5:9], fin=False)
    wire.frame(PONG, b"unasked")
    wire.frame(CONTINUATION, ASK[9:])
    assert wire.read_json()["ping"] == "well"


def test_a_close_between_fragments_ends_the_connection(wire):
    wire.frame(TEXT, ASK[:5], fin=False)
    wire.frame(CLOSE, struct.pack("!H", 1001))
    assert wire.closed_with() == 1001


@must("5.4", "a control frame is not fragmented")
@must("5.5", "a control frame is not fragmented, and has at most 125 bytes")
@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_that_is_too_long_or_in_parts_is_refused(dial, wire, counted, opcode):
    wire.frame(opcode, b"", fin=False)
    refused(wire, counted)
    longer = dial().open()
    longer.frame(opcode, b"\x03\xe8" + b"x" * 124)
    refused(longer, counted, 1002)


@must("5.4", "a continuation needs a message to continue")
@pytest.mark.parametrize("final", [True, False])
def test_a_continuation_of_nothing_is_refused(wire, counted, final):
    wire.frame(CONTINUATION, b"x", fin=final)
    refused(wire, counted)


def test_a_continuation_behind_a_whole_message_is_refused(wire, counted):
    wire.frame(TEXT, ASK)
    wire.frame(CONTINUATION, b"x")
    assert wire.read_json()["ping"] == "well"
    refused(wire, counted)


@must("5.4", "fragments of two messages are not mixed")
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_new_message_within_a_message_is_refused(wire, counted, opcode):
    wire.frame(TEXT, b"{", fin=False)
    wire.frame(opcode, b"x")
    code = wire.closed_with()
    assert code in ((1002,) if opcode == TEXT else (1002, 1003))
    counted("protocol-error" if code == 1002 else "unsupported-data")


@must("5.5.2", "a ping is answered with a pong of the same data")
@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
def test_a_ping_is_answered_with_its_own_data(wire, payload):
    wire.frame(PING, payload)
    assert wire.read_raw() == (0x80 | PONG, len(payload), payload)


@must("5.5.2", "pings are answered in their order")
def test_ten_pings_get_ten_pongs(wire):
    wire.send(b"".join(frame(PING, b"%d" % number) for number in range(10)))
    assert [wire.read() for _ in range(10)] == [(PONG, b"%d" % number) for number in range(10)]


@must("5.5.3", "a pong that nobody asked for is not answered")
def test_a_pong_nobody_asked_for_is_left_alone(wire):
    wire.frame(PONG, b"unasked")
    wire.frame(PING, b"asked")
    assert wire.read() == (PONG, b"asked")


@must("5.6", "text is UTF-8; this protocol has no binary messages, which are answered 1003")
@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff"])
def test_a_binary_message_is_refused_as_unsupported(wire, counted, payload):
    wire.frame(BINARY, payload)
    refused(wire, counted, 1003, "unsupported-data")


@must("6.2", "messages are taken in the order in which they were sent")
def test_messages_are_answered_in_order(wire):
    wire.send(b"".join(frame(TEXT, b'{"id":%d,"ping":0}' % number) for number in range(200)))
    assert [wire.read_json()["id"] for _ in range(200)] == list(range(200))


@must("5.5", "the smallest cuts of bytes into packets change nothing")
def test_frames_in_single_bytes_are_the_same_frames(wire):
    for byte in frame(TEXT, ASK) + frame(PING, b"p"):
        wire.send(bytes((byte,)))
    assert wire.read_json()["ping"] == "well"
    assert wire.read() == (PONG, b"p")
