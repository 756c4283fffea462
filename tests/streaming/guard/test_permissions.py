"""Patterns of channel names."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.identity import ANYBODY, NOBODY
from plumbline.streaming.core.permissions import ACTIONS, MAX_PATTERNS, PATTERN_LENGTH, Permissions, matches

few = st.text("ab.*", max_size=12)


@given(few, st.text("ab.", max_size=20))
def test_a_star_stands_for_any_text_as_a_regular_expression_would_have_it(pattern, channel):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), channel)
    assert matches(pattern, channel) == bool(expected)


@given(st.text(min_size=1, max_size=50).filter(lambda text: "*" not in text), st.text(max_size=50))
def test_a_pattern_without_a_star_stands_for_itself_only(pattern, channel):
    assert matches(pattern, pattern)
    assert matches(pattern, channel) == (pattern == channel)


def test_no_pattern_takes_long():
    def took(stars):
        began = time.perf_counter()
        for _ in range(200):
            assert not matches("a*" * stars + "b", "a" * 199 + "c")
        return time.perf_counter() - began

    # a backtracking matcher would need 2^n steps: doubling the stars would cost thousands of times as much
    assert min(took(96) for _ in range(5)) < 100 * min(took(48) for _ in range(5))


def test_each_action_has_its_own_channels():
    permissions = Permissions(subscribe=("scores.*",), publish=("chat",))
    assert permissions.may("subscribe", "scores.eu.m7")
    assert not permissions.may("publish", "scores.eu.m7")
    assert permissions.may("publish", "chat")
    assert not permissions.may("history", "chat")


def test_anybody_may_do_everything_and_nobody_nothing():
    assert all(ANYBODY.permissions.may(action, "any.channel") for action in ACTIONS)
    assert not any(NOBODY.permissions.may(action, "any.channel") for action in ACTIONS)
    assert ANYBODY.named("g-7").client == "g-7"


@pytest.mark.parametrize("patterns", [("",), ("x" * (PATTERN_LENGTH + 1),), (7,), ("a",) * (MAX_PATTERNS + 1)])
def test_patterns_that_are_none_are_refused(patterns):
    with pytest.raises(ValueError, match=r"channels\.publish"):
        Permissions(publish=patterns)
