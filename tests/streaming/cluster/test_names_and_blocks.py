"""Channels as subjects and messages as blocks: what goes in comes out, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.cluster.blocks import Block, ForeignError, header, mark, read
from plumbline.streaming.cluster.kept import gathered
from plumbline.streaming.cluster.subjects import name_of, stored, token
from plumbline.streaming.core.broker import Entry, Position
from plumbline.streaming.core.history import Bounds

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
TEXTS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20)
WIDE = Bounds(10**6, 10**9, 1e9)


@given(NAMES)
def test_a_name_survives_as_one_token_of_harmless_letters(name):
    text = token(name)
    assert name_of(text) == name
    assert text.isascii()
    assert not set(text) & set(".*> \t\r\n")
    assert stored(name).count(".") == 2


@given(NAMES, NAMES)
def test_two_names_never_share_a_token(one, other):
    assert (token(one) == token(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "a.b", "=4", "=zz", "=61", "=ff", "a b", "=FF"])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(ValueError, match=r"token|written|utf-8"):
        name_of(text)


@given(st.integers(0, 10**12), TEXTS)
def test_a_block_comes_back_as_it_was(before, texts):
    block = read(header("0aff", before, texts), b"".join(texts))
    assert block == Block("0aff", before, tuple(texts))
    assert block.last == before + len(texts)
    assert block.entries(before) == [Entry(before + 1 + n, text) for n, text in enumerate(texts)]
    assert block.entries(block.last) == []
    assert block.entries(block.last - 1) == [Entry(block.last, texts[-1])]


@given(st.integers(0, 10**12))
def test_a_mark_holds_no_message_and_says_where_the_channel_stands(offset):
    assert read(mark("0aff", offset), b"") == Block("0aff", offset, ())


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (None, b"1"),
        ("", b"1"),
        ("xyz 1", b"1"),
        ("0aff 0", b"1"),
        ("0aff 1 3,4", b"123"),
        ("0aff 1 3", b"1234"),
        ("0aff 1 0,1", b"1"),
        ("0aff 1 ,1", b"1"),
        ("0aff -1", b"1"),
    ],
)
def test_what_no_gateway_wrote_is_foreign(value, body):
    with pytest.raises(ForeignError):
        read(value, body)


def rows(*blocks):
    return [(block, 100.0 + index) for index, block in enumerate(blocks)]


def test_only_what_reaches_the_head_without_a_hole_counts():
    kept = gathered(
        rows(
            Block("a", 0, (b"1", b"2")),
            Block("a", 5, (b"6",)),  # 3 to 5 are gone
            Block("a", 6, ()),
            Block("a", 6, (b"7", b"8")),
        )
    )
    assert (kept.birth, kept.offset) == ("a", 8)
    assert [entry.offset for entry, _ in kept.rows] == [6, 7, 8]
    assert kept.since(5, 10, WIDE, 200.0) == (Entry(6, b"6"), Entry(7, b"7"), Entry(8, b"8"))
    assert kept.since(4, 10, WIDE, 200.0) is None
    assert kept.since(5, 2, WIDE, 200.0) is None
    assert kept.since(9, 10, WIDE, 200.0) is None
    assert kept.since(8, 0, WIDE, 200.0) == ()


def test_another_birth_begins_anew():
    kept = gathered(rows(Block("a", 0, (b"1",)), Block("b", 0, ()), Block("b", 0, (b"x",))))
    assert kept.missed(Position("b", 0)) == (Entry(1, b"x"),)
    assert kept.missed(Position("a", 0)) is None
    assert gathered([]) is None


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=30), st.integers(1, 40), st.integers(1, 200))
def test_what_is_read_keeps_to_the_bounds_of_the_channel(texts, messages, size):
    kept = gathered([(Block("a", 0, ()), 0.0), *(((Block("a", n, (text,))), float(n)) for n, text in enumerate(texts))])
    newest = kept.newest(1000, Bounds(messages, size, 10.0), float(len(texts)))
    assert len(newest) <= messages
    assert sum(len(entry.data) for entry in newest) <= size
    assert all(len(texts) - (entry.offset - 1) <= 10 for entry in newest)
    assert [entry.data for entry in newest] == texts[len(texts) - len(newest) :]
    for offset in range(len(texts) + 1):
        since = kept.since(offset, 1000, Bounds(messages, size, 10.0), float(len(texts)))
        assert (since is not None) == (len(texts) - offset <= len(newest))
