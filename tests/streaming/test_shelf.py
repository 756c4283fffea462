"""Replayed messages are at hand for others, as long as they are used and there is room."""

import pytest

from plumbline.streaming.core import shelf as module
from plumbline.streaming.core.broker import Entry, Position
from plumbline.streaming.core.shelf import SHELF_S, Shelf

HEAD = Position("e", 9)


def entries(first, last, size=10):
    return [Entry(offset, b"1" * size) for offset in range(first, last + 1)]


def offsets(past):
    return None if past is None else [entry.offset for entry in past.entries]


def test_what_was_replayed_to_one_is_at_hand_for_the_next_up_to_the_first_hole():
    shelf = Shelf()
    first = shelf.messages("a", "e", entries(2, 4))
    shelf.messages("a", "e", entries(6, 7))
    assert shelf.messages("a", "e", entries(2, 4)) == first, "the same objects"
    past = shelf.past("a", Position("e", 1), HEAD, 100)
    assert (offsets(past), past.position, past.recovered) == ([2, 3, 4], HEAD, True)
    assert offsets(shelf.past("a", Position("e", 1), HEAD, 2)) == [2, 3]
    assert offsets(shelf.past("a", Position("e", 1), Position("e", 3), 100)) == [2, 3]


@pytest.mark.parametrize(
    ("channel", "since", "head"),
    [
        ("b", Position("e", 1), HEAD),
        ("a", Position("e", 4), HEAD),
        ("a", Position("old", 1), HEAD),
        ("a", Position("e", 1), Position("new", 9)),
    ],
)
def test_what_is_not_at_hand_is_asked_of_the_broker(channel, since, head):
    shelf = Shelf()
    shelf.messages("a", "e", entries(2, 4))
    assert shelf.past(channel, since, head, 100) is None


def test_what_nobody_asks_for_is_forgotten_after_a_while():
    shelf = Shelf()
    shelf.messages("a", "e", entries(1, 3))
    shelf.tidy(100)
    shelf.past("a", Position("e", 0), HEAD, 1)  # somebody does
    shelf.tidy(100 + SHELF_S)
    assert shelf.size > 0
    shelf.tidy(100 + 2 * SHELF_S)
    assert shelf.size == 0
    assert shelf.past("a", Position("e", 0), HEAD, 1) is None


def test_it_is_bounded_and_what_was_used_longest_ago_goes_first(monkeypatch):
    monkeypatch.setattr(module, "SHELF_BYTES", 10_000)
    shelf = Shelf()
    shelf.messages("a", "e", entries(1, 3))
    shelf.messages("b", "e", entries(1, 3))
    shelf.tidy(100)
    shelf.messages("a", "e", entries(1, 1))  # used again
    shelf.messages("c", "e", entries(1, 10))
    assert shelf.size <= 10_000
    assert shelf.past("b", Position("e", 0), HEAD, 1) is None
    assert shelf.past("a", Position("e", 0), HEAD, 1) is not None
    shelf.messages("c", "e", entries(11, 30))
    assert shelf.size <= 10_000
    assert shelf.past("a", Position("e", 0), HEAD, 1) is None
    assert offsets(shelf.past("c", Position("e", 29), Position("e", 30), 1)) == [30], "of one channel the oldest go"
    assert shelf.past("c", Position("e", 0), HEAD, 1) is None


def test_one_message_larger_than_all_of_it_is_kept_alone(monkeypatch):
    monkeypatch.setattr(module, "SHELF_BYTES", 1000)
    shelf = Shelf()
    assert [message.position.offset for message in shelf.messages("a", "e", entries(1, 2, size=5000))] == [1, 2]
    assert offsets(shelf.past("a", Position("e", 1), HEAD, 5)) == [2]
    assert shelf.messages("a", "e", []) == []
