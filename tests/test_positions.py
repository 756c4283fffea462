"""YAML keeps its positions; what can hide or multiply is refused; nothing crashes it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plumbline.positions import parse

SCALARS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(codec="ascii", min_codepoint=32), max_size=8)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(DATA)
def test_data_is_what_the_ordinary_loader_reads(data) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    located = parse(text)
    assert (located.data, located.faults) == (yaml.safe_load(text), [])


@given(st.text(max_size=80) | st.text(alphabet="ab:- \n[]{}*&!'\"|>#%0", max_size=60))
def test_arbitrary_text_is_read_or_faulted_never_a_crash(text: str) -> None:
    located = parse(text)
    assert all(line >= 1 for line, _ in located.faults)


def test_every_key_and_item_has_its_line() -> None:
    located = parse("a: 1\nb:\n  - x\n  - c: y\n", first_line=10)
    assert located.line("a") == 10
    assert located.line("b") == 11
    assert located.line("b", 0) == 12
    assert located.line("b", 1, "c") == 13
    assert located.line("b", 1, "unknown", 4) == 13


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\na: 2\n", 2, "key 'a' is given twice"),
        ("a: &x [1]\nb: *x\n", 1, "alias"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !!int x\n", 1, "tag"),
        ("a: !!set {b}\n", 1, "tag"),
        ("? [a]\n: 1\n", 1, "a key is one word"),
        ("a: 2024-99-99\n", 1, "put it in quotes"),
        ("a: b: c\n", 1, "is no YAML"),
        ("a: 1\n\tb: 2\n", 2, "is no YAML"),
        ("--- 1\n--- 2\n", 2, "is no YAML"),
    ],
)
def test_what_a_record_must_not_hold_is_told_with_its_line(text: str, line: int, said: str) -> None:
    faults = parse(text).faults
    assert [found for found, _ in faults] == [line]
    assert said in faults[0][1]


def test_nesting_without_end_is_a_fault() -> None:
    assert "is no YAML" in parse("[" * 5000).faults[0][1]
