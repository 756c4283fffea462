"""Executable fences are read exactly, and a malformed one is never skipped in silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.handbook.fences import FenceError, Step, scan, steps

IDS = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
CODE = st.lists(
    st.text(alphabet=st.characters(codec="ascii", exclude_characters="\r\n`~\x0b\x0c\x1c\x1d\x1e"), max_size=30),
    min_size=1,
    max_size=4,
).map(lambda rows: "\n".join(["echo go", *rows]) + "\n")
STEPS = st.lists(st.tuples(IDS, st.sampled_from(["fix", "decoy"]), CODE), max_size=4, unique_by=lambda step: step[0])


def fence(name: str, kind: str, code: str, indent: str = "", mark: str = "```") -> str:
    rows = [f"{mark} {{.bash .{kind} #{name}}}", *code.removesuffix("\n").split("\n"), mark]
    return "\n".join(indent + row for row in rows) + "\n"


@given(STEPS, st.sampled_from(["", "    ", "        "]), st.sampled_from(["```", "~~~", "`````"]))
def test_steps_come_back_as_they_were_written_in_page_order(written, indent: str, mark: str) -> None:
    page = "\n\nProse.\n\n".join(fence(name, kind, code, indent, mark) for name, kind, code in written)
    assert [(step.id, step.kind, step.code) for step in steps(page)] == written


@given(STEPS)
def test_a_step_knows_its_line(written) -> None:
    page = "---\ntitle: x\n---\n\n" + "\n".join(fence(*step) for step in written)
    rows = page.split("\n")
    assert all(f"#{step.id}}}" in rows[step.line - 1] for step in steps(page))


@given(st.text(alphabet=st.sampled_from('`~{}.#fixdecoy bash-\n"='), max_size=120))
def test_any_text_gives_steps_or_faults(text: str) -> None:
    found, faults = scan(text)
    assert all(isinstance(step, Step) and step.code.strip() for step in found)
    assert all(1 <= line <= text.count("\n") + 1 for line, _ in faults)


@pytest.mark.parametrize(
    ("first_line", "said"),
    [
        ("``` {.bash .fix}", "has one id"),
        ("``` {.bash .fix #a #b}", "has one id"),
        ("``` {.bash .fix .decoy #a}", "not both"),
        ("``` {.bash .fixx #a}", "unknown fence class 'fixx'; did you mean 'fix' or 'decoy'?"),
        ("``` {.bash .hotfix #a}", "unknown fence class 'hotfix'"),
        ("``` {.python .fix #a}", "is executed with bash"),
        ("``` {.bash .decoy .extra #a}", "only a step of the fix can be .extra"),
        ("``` {.bash .extra #a}", "only a step of the fix can be .extra"),
        ("``` {.bash .fix #Not_An_Id}", "lower case with hyphens"),
        ("``` {.bash .fix #a", "are not closed"),
        ("``` bash .fix #a", "outside of braces"),
    ],
)
def test_a_malformed_fence_is_told_with_its_line(first_line: str, said: str) -> None:
    with pytest.raises(FenceError) as error:
        steps(f"# Page\n\n{first_line}\ntrue\n```\n")
    assert [line for line, _ in error.value.faults] == [3]
    assert said in str(error.value)


def test_a_step_may_say_that_it_heals_nothing_by_itself() -> None:
    page = fence("a", "fix", "true\n") + "\n" + fence("b", "fix .extra", "true\n")
    assert [(step.id, step.kind, step.extra) for step in steps(page)] == [("a", "fix", False), ("b", "fix", True)]


def test_an_id_that_is_used_twice_names_the_first_line() -> None:
    with pytest.raises(FenceError, match="line 5: fence id 'a' is used twice, first on line 1"):
        steps(fence("a", "fix", "true\n") + "\n" + fence("a", "decoy", "true\n"))


def test_an_empty_fence_and_an_open_fence_are_faults() -> None:
    _, faults = scan("``` {.bash .fix #a}\n\n```\n\n``` {.bash .fix #b}\ntrue\n")
    assert [sentence.split(":")[0] for _, sentence in faults] == ["fence 'a' is empty", "fence is never closed"]


def test_plain_fences_and_fences_inside_of_a_fence_are_not_executed() -> None:
    page = "```bash\nrm -r x\n```\n\n````markdown\n" + fence("inner", "fix", "true\n") + "````\n"
    assert scan(page) == ([], [])
