"""The arithmetic of the evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_search import judged as judging
from plumbline_search.confidence import Calibration
from plumbline_search.judged import Judged, JudgedError
from plumbline_search.kinds import Kind
from plumbline_search.relevance import Outcome, fell, figures, paired
from plumbline_search.tuning import Sample, calibrate
from plumbline_search.weights import weights


def outcome(want: str | None, ranked: tuple[str, ...], answered: bool = True) -> Outcome:
    return Outcome(Judged("q", want, "complaint", "test"), ranked, answered)


def test_figures_are_counted_as_defined():
    told = figures(
        [
            outcome("a", ("a", "b")),
            outcome("a", ("b", "a")),
            outcome("a", ("a",), answered=False),
            outcome("a", ("b",)),
            outcome(None, ("b",)),
            outcome(None, ("b",), answered=False),
        ]
    )
    assert (told.n, told.n_none) == (4, 2)
    assert told.success_at_1 == 0.5
    assert told.mrr == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert told.answered_right == 0.25
    assert told.false_answers == 0.5


def test_nothing_gives_zero():
    assert figures([]).mrr == 0.0


def test_equal_systems_do_not_differ_and_a_better_one_does():
    same = [True, False] * 20
    assert paired(same, same) == (0.0, 0.0, 0.0)
    mean, low, _ = paired([True] * 40, same)
    assert mean == 0.5
    assert low > 0.3


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_interval_holds_the_mean(pairs: list[tuple[bool, bool]]):
    mean, low, high = paired([one for one, _ in pairs], [two for _, two in pairs])
    assert low - 1e-9 <= mean <= high + 1e-9


def test_a_few_lost_are_noise_and_more_are_a_fall():
    before = [True] * 20
    assert not fell(before, [False] * 3 + [True] * 17)
    assert fell(before, [False] * 4 + [True] * 16)
    assert not fell([True] * 10 + [False] * 10, [False] * 10 + [True] * 10)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-50, 50), st.floats(-1, 1), st.floats(0, 1))
def test_a_confidence_lies_between_0_and_1(bias: float, cosine: float, coverage: float, x: float, y: float):
    assert 0 <= Calibration(bias, cosine, coverage).sure(x, y) <= 1


def test_a_calibration_parts_right_from_wrong_and_grows_with_the_evidence():
    rng = np.random.default_rng(3)
    right = [Sample(Kind.QUESTION, float(x), float(y), True) for x, y in rng.normal(0.7, 0.08, (60, 2))]
    wrong = [Sample(Kind.QUESTION, float(x), float(y), False) for x, y in rng.normal(0.3, 0.08, (20, 2))]
    sure = calibrate(right + wrong, cosine=True, coverage=True)[Kind.QUESTION]
    assert sure.sure(0.7, 0.7) > 0.9
    assert sure.sure(0.3, 0.3) < 0.1
    assert sure.sure(0.5, 0.5) == pytest.approx(0.5, abs=0.2)
    assert sure.cosine > 0
    assert sure.coverage > 0


def test_a_feature_that_is_not_used_has_no_slope():
    given_ = [Sample(Kind.LOG, 0.9, 0.1, True), Sample(Kind.LOG, 0.1, 0.9, False)]
    assert calibrate(given_, cosine=True, coverage=False)[Kind.LOG].coverage == 0


def test_the_judged_queries_are_many_in_every_register_and_half():
    every = judging.load()
    assert sum(one.want is not None for one in every) >= 60
    for register in ("complaint", "observation", "exception", "log"):
        for half in ("tune", "test"):
            here = [one for one in every if (one.register, one.half) == (register, half)]
            assert sum(one.want is not None for one in here) >= 5
            assert sum(one.want is None for one in here) >= 4


def test_no_judged_query_is_a_held_out_paraphrase():
    import yaml

    held_out: set[str] = set()
    for path in Path(__file__).parents[2].glob("kb/*/*/problem.yml"):
        held_out |= {text.casefold() for text in yaml.safe_load(path.read_text())["paraphrases"]}
    assert held_out
    assert not held_out & {one.query.casefold() for one in judging.load()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {want: a, register: log}", "lacks queries"),
        ("- {want: a, register: poem, queries: [x]}", "'poem'"),
        ("- {want: a, register: log, queries: [x, x]}", "given twice"),
        ("- {want: a, register: log, queries: [{a: b}]}", "is no text"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "queries.yml"
    path.write_text(text)
    with pytest.raises(JudgedError, match=said):
        judging.load(path)


def test_outside_of_a_checkout_there_is_nothing_to_judge(tmp_path: Path):
    with pytest.raises(JudgedError, match="checkout"):
        judging.load(tmp_path / "queries.yml")


def test_the_shipped_weights_are_whole():
    shipped = weights()
    assert set(shipped) == set(Kind)
    for one in shipped.values():
        assert one.lexical + one.dense == pytest.approx(1.0)
        assert one.lanes(embedded=False)["lexical"] == pytest.approx(1.0)
