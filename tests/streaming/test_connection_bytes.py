"""Whatever bytes come, however they are cut: a connection closes with the right code, holds little, never raises."""

import struct
from types import SimpleNamespace

from fuzz.connection import LIMIT, Served, client_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.streaming.core.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

texts = st.text(max_size=30).map(str.encode)
good = st.one_of(
    st.builds(client_frame, st.just(TEXT), texts),
    st.builds(client_frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(lambda parts: _fragments(parts), st.lists(texts, min_size=2, max_size=4)),
)
bad = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(client_frame, st.just(BINARY), st.binary(max_size=20)),
    st.builds(client_frame, st.just(CONTINUATION), st.binary(max_size=20)),
    st.builds(client_frame, st.just(TEXT), st.binary(max_size=20)),
    st.builds(client_frame, st.just(TEXT), st.binary(max_size=20), final=st.just(False)),
    st.builds(client_frame, st.sampled_from([CLOSE, PING]), st.binary(max_size=140), final=st.booleans()),
    st.builds(lambda size: client_frame(TEXT, b"x" * size), st.integers(LIMIT - 1, LIMIT + 40)),
    st.builds(lambda size: struct.pack("!BBQ", 0x81, 0xFF, size), st.integers(0, 2**64 - 1)),
)
CODES = {None, 1002, 1003, 1005, 1007, 1009}


def _fragments(parts):
    kinds = [TEXT, *[CONTINUATION] * (len(parts) - 1)]
    last = len(parts) - 1
    return b"".join(client_frame(kinds[n], part, final=n == last) for n, part in enumerate(parts))


def cut(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def run(pieces):
    served = Served()
    for piece in pieces:
        served.feed(piece)
    return SimpleNamespace(texts=served.texts, code=served.code, sent=bytes(served.link.sent))


@settings(max_examples=300, deadline=None)
@given(st.lists(good | bad, max_size=8).map(b"".join), st.lists(st.integers(0, 50), max_size=12))
def test_how_bytes_are_cut_changes_nothing(data, sizes):
    whole, pieces = run([data]), run(cut(data, sizes))
    assert pieces.texts == whole.texts
    assert pieces.code == whole.code
    assert pieces.code in CODES or 3000 <= pieces.code < 5000 or 1000 <= pieces.code <= 1014, (
        "a client may close with any code that may be sent"
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, max_size=6), st.lists(st.integers(0, 50), max_size=12))
def test_what_a_client_says_rightly_arrives_as_it_was_said(said, sizes):
    data = b"".join(client_frame(TEXT, text) for text in said)
    assert run(cut(data, sizes)).texts == [text.decode() for text in said]


@settings(max_examples=200, deadline=None)
@given(st.lists(good, max_size=4).map(b"".join), bad, st.lists(good, max_size=3).map(b"".join))
def test_after_a_close_nothing_more_is_taken_or_said(before, wrong, after):
    served = Served()
    served.feed(before + wrong)
    if served.code is None:
        return
    texts, sent = list(served.texts), bytes(served.link.sent)
    served.feed(after)
    assert (served.texts, bytes(served.link.sent)) == (texts, sent)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=125), max_size=40), st.integers(0, 50))
def test_pings_that_cannot_be_answered_yet_fill_no_memory(payloads, taken):
    served = Served()
    served.link.takes = taken
    for payload in payloads:
        served.feed(client_frame(PING, payload))
    assert len(served.link.held_bytes) <= 2 * 131
