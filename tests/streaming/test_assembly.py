import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.assembly import Assembler
from plumbline.streaming.core.closes import CODES, CloseError
from plumbline.streaming.core.frames import BINARY, CONTINUATION, TEXT, text_frame

frames = st.tuples(
    st.sampled_from([TEXT, BINARY, CONTINUATION]),
    st.binary(max_size=20),
    st.booleans(),
    st.sampled_from([False] * 9 + [True]),
)


def feed(assembler, opcode, payload, final=True, reserved=False, limit=1000):
    return assembler.feed(opcode, payload, final=final, reserved=reserved, limit=limit)


@given(st.lists(frames, max_size=20), st.integers(1, 50))
def test_any_row_of_frames_gives_messages_within_the_limit_or_a_close_code(row, limit):
    assembler = Assembler()
    for opcode, payload, final, reserved in row:
        try:
            text = feed(assembler, opcode, payload, final, reserved, limit)
        except CloseError as error:
            assert error.code in CODES  # noqa: PT017 - to be refused is as right
            assert error.sentence  # noqa: PT017 - to be refused is as right
            return
        assert text is None or len(text.encode()) <= limit


@given(st.text(max_size=50), st.lists(st.integers(0, 60), max_size=5))
def test_a_message_cut_anywhere_is_put_together_again(text, cuts):
    raw = text.encode()
    marks = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(marks)]
    assembler = Assembler()
    for repeat in range(2):
        for number, piece in enumerate(pieces):
            opcode = TEXT if number == 0 else CONTINUATION
            got = feed(assembler, opcode, piece, final=number == len(pieces) - 1)
            assert got == (text if number == len(pieces) - 1 else None), repeat


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ([(TEXT, b"a", False), (TEXT, b"b", True)], 1002),
        ([(CONTINUATION, b"a", True)], 1002),
        ([(BINARY, b"a", True)], 1003),
        ([(TEXT, b"\xff", True)], 1007),
        ([(TEXT, b"\xc3", False), (CONTINUATION, b"x", True)], 1007),
        ([(TEXT, b"x" * 600, False), (CONTINUATION, b"x" * 600, False)], 1009),
    ],
)
def test_what_rfc_6455_forbids_has_its_code(row, code):
    assembler = Assembler()
    for opcode, payload, final in row[:-1]:
        assert feed(assembler, opcode, payload, final) is None
    with pytest.raises(CloseError) as refused:
        feed(assembler, *row[-1])
    assert refused.value.code == code


def test_a_reserved_bit_is_refused_for_no_extension_was_agreed_on():
    with pytest.raises(CloseError, match="reserved bit"):
        feed(Assembler(), TEXT, b"a", reserved=True)


def test_endless_empty_fragments_take_no_memory():
    assembler = Assembler()
    feed(assembler, TEXT, b"a", final=False)
    for _ in range(1000):
        feed(assembler, CONTINUATION, b"", final=False)
    assert len(assembler._parts) == 1


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_are_read_by_another_implementation_as_they_were_meant(size):
    from websockets.frames import Frame, Opcode
    from websockets.streams import StreamReader

    payload = b"x" * size
    reader = StreamReader()
    reader.feed_data(text_frame(payload))
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parsing)
    assert done.value.value == Frame(Opcode.TEXT, payload)
