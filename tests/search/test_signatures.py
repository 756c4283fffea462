import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plumbline_search.signatures import LONGEST_SHOWN, Signatures, literal_of


class Clock:
    """Advances by a step at each look."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_the_matched_line_is_shown():
    found = (
        Signatures([(3, r"queue full connection=\d+")]).search("INFO a\nWARN queue full connection=17 x\nINFO b").found
    )
    assert found[3].line == "WARN queue full connection=17 x"


def test_case_does_not_matter():
    assert 0 in Signatures([(0, "Too many open files")]).search("error: too many OPEN files").found


def test_a_pattern_that_backtracks_without_end_is_cut_off_and_reported():
    hostile = Signatures([(0, r"(a|aa)+$"), (1, "plain text")])
    matches = hostile.search("a" * 60 + "! and plain text", budget_s=0.5)
    assert matches.untried == 1
    assert 1 in matches.found


def test_time_in_which_others_compute_does_not_count():
    class Interrupted(str):
        """A text whose preparation takes long because another thread has the processor."""

        __slots__ = ()

        def casefold(self) -> str:
            time.sleep(0.1)
            return super().casefold()

    assert Signatures([(0, "one")]).search(Interrupted("one"), budget_s=0.05).untried == 0


def test_no_pattern_is_tried_after_the_budget_is_spent():
    matches = Signatures([(0, "one"), (1, "two")], clock=Clock(step=1.0)).search("one two", budget_s=1.5)
    assert set(matches.found) == {0}
    assert matches.untried == 1


def test_a_pattern_that_does_not_compile_is_left_out():
    made = Signatures([(0, "("), (1, "ok")])
    assert made.broken == ["("]
    assert set(made.search("( ok").found) == {1}


def test_the_longer_match_of_a_page_is_kept():
    found = Signatures([(0, "files"), (0, "Too many open files")]).search("files\nToo many open files").found
    assert found[0].line == "Too many open files"


def test_a_pattern_that_matches_nothing_is_no_match():
    assert Signatures([(0, "x*")]).search("abc").found == {}


def test_of_a_line_without_end_the_matched_part_is_shown():
    line = "x" * 5000 + " out of memory " + "y" * 5000
    shown = Signatures([(0, "out of memory")]).search(line).found[0].line
    assert "out of memory" in shown
    assert len(shown) <= LONGEST_SHOWN


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"accept failed: \[Errno 2[34]\] Too many", "accept failed: [errno 2"),
        (r"a|b", ""),
        (r"(?i)abc", ""),
        (r"(one|two) three", " three"),
        (r"colou?r of", "colo"),
        (r"\d+ times the queue", " times the queue"),
        (r"[^\]]+end", "end"),
        (r"ab{2,3}cd", "cd"),
        (r"x\ty", "x"),
        (r"((nested) \( group)tail", "tail"),
        (r"ab+?c", "ab"),
    ],
)
def test_the_longest_certain_text_of_a_pattern_is_found(pattern: str, literal: str):
    assert literal_of(pattern) == literal


@given(st.from_regex(r"[a-z]{1,4}[*+?]?(\[[a-z]{1,3}\])?(\([a-z|]{1,5}\))?[a-z]{0,4}[*?]?", fullmatch=True), st.data())
def test_what_a_pattern_matches_holds_its_literal(pattern: str, data: st.DataObject):
    try:
        compiled = re.compile(pattern)
    except re.error:
        assume(False)
    text = data.draw(st.from_regex(compiled, fullmatch=True))
    assert literal_of(pattern) in text.casefold()
