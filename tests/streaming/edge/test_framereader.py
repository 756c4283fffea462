"""Frames out of bytes: the `websockets` library writes them, we read them, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as Theirs
from websockets.frames import Opcode

from plumbline.streaming.core.closes import CloseError
from plumbline.streaming.core.framereader import FrameReader, close_code
from plumbline.streaming.core.frames import close_frame

LIMIT = 70_000
DATA = [Opcode.TEXT, Opcode.BINARY, Opcode.CONT]
CONTROL = [Opcode.PING, Opcode.PONG, Opcode.CLOSE]
frames = st.one_of(
    st.builds(Theirs, st.sampled_from(DATA), st.binary(max_size=300), st.booleans()),
    st.builds(Theirs, st.sampled_from(DATA), st.sampled_from([b"x" * 125, b"y" * 126, b"z" * 65536])),
    st.builds(Theirs, st.sampled_from(CONTROL), st.binary(max_size=125)),
)


@given(st.lists(frames, max_size=6), st.data())
def test_whatever_the_cuts_the_frames_are_those_that_were_written(sent, data):
    stream = b"".join(frame.serialize(mask=True) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, got = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end], LIMIT)
    assert [(frame.opcode, frame.payload, frame.final) for frame in got] == [
        (frame.opcode, bytes(frame.data), frame.fin) for frame in sent
    ]
    assert reader.held_bytes == 0


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_a_close_and_never_held_beyond_the_limit(noise):
    reader, codes = FrameReader(), set()
    try:
        list(reader.feed(noise, 64))
    except CloseError as error:
        codes.add(error.code)
    assert codes <= {1002, 1009}
    assert reader.held_bytes <= min(len(noise), 64 + 14 + 125)


def masked(first, second, rest=b""):
    return bytes((first, 0x80 | second)) + rest


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),  # not masked
        (masked(0xC1, 0), 1002),  # a reserved bit
        (masked(0x83, 0), 1002),  # an opcode that is none
        (masked(0x8B, 0), 1002),
        (masked(0x09, 0), 1002),  # a fragmented ping
        (masked(0x89, 126, b"\x00\x7e"), 1002),  # a long ping
        (masked(0x81, 126, b"\x00\x7d"), 1002),  # 125 in two bytes
        (masked(0x81, 127, b"\x00" * 6 + b"\xff\xff"), 1002),  # 65535 in eight
        (masked(0x81, 127, b"\x80" + b"\x00" * 7), 1002),  # the highest bit
        (masked(0x81, 126, b"\x00\x81"), 1009),  # 129 bytes where 128 may be: refused by its header
    ],
)
def test_what_the_protocol_forbids_is_refused_by_the_header(data, code):
    with pytest.raises(CloseError) as refused:
        list(FrameReader().feed(data, 128))
    assert refused.value.code == code


def test_frames_before_a_wrong_one_are_yielded():
    good = Theirs(Opcode.TEXT, b"a").serialize(mask=True)
    frames_in = FrameReader().feed(good + b"\x00\x00", 10)
    assert next(frames_in).payload == b"a"
    with pytest.raises(CloseError):
        next(frames_in)


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1005), (b"\x03\xe8", 1000), (b"\x0f\xa0bye", 4000), (b"\x03\xf6", 1014)]
)
def test_a_close_frame_says_its_code(payload, code):
    assert close_code(payload) == code


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x03", 1002),
        (b"\x03\xe7", 1002),
        (b"\x03\xed", 1002),
        (b"\x03\xee", 1002),
        (b"\x13\x88", 1002),
        (b"\x04\x00", 1002),
        (b"\x03\xe8\xff", 1007),
    ],
)
def test_a_close_frame_with_a_code_or_reason_that_may_not_be_is_refused(payload, code):
    with pytest.raises(CloseError) as refused:
        close_code(payload)
    assert refused.value.code == code


@given(st.text(max_size=200))
def test_a_close_frame_of_ours_has_at_most_125_bytes_and_is_utf8(sentence):
    frame = close_frame(4008, sentence)
    assert frame[1] == len(frame) - 2 <= 125
    assert sentence.startswith(frame[4:].decode())
