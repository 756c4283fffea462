import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plumbline_search.fusion import fuse, min_max, ranked

scores = arrays(np.float32, st.integers(1, 30), elements=st.floats(-1e6, 1e6, width=32))


@given(scores)
def test_scaled_scores_lie_between_0_and_1_and_keep_their_order(raw: np.ndarray):
    scaled = min_max(raw)
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    order = np.argsort(raw, kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()


@given(scores)
def test_a_lane_alone_ranks_as_its_scores_do(raw: np.ndarray):
    total = fuse({"lexical": raw}, {"lexical": 1.0}).total
    best = ranked(total)[0]
    assert total[best] == total.max()
    exact = raw.astype(np.float64)
    assert exact[best] >= exact.max() - 1e-12 * (exact.max() - exact.min())


@given(scores, st.floats(0, 3, width=32), st.floats(0, 3, width=32))
def test_the_total_is_the_sum_of_what_the_lanes_gave(raw: np.ndarray, one: float, two: float):
    fused = fuse({"a": raw, "b": raw[::-1].copy()}, {"a": one, "b": two})
    assert np.allclose(fused.total, sum(fused.lanes.values()), atol=1e-5)


@given(scores)
def test_who_is_best_in_all_lanes_is_best(raw: np.ndarray):
    fused = fuse({"a": raw, "b": raw * 2}, {"a": 0.3, "b": 0.7})
    assert fused.total[int(np.argmax(raw))] == fused.total.max()


def test_a_lane_that_tells_no_page_from_another_says_nothing():
    assert min_max(np.full(4, 7.0, dtype=np.float32)).tolist() == [0, 0, 0, 0]
    assert min_max(np.zeros(0, dtype=np.float32)).size == 0


def test_a_lane_without_weight_counts_nothing():
    assert fuse({"unknown": np.array([0, 1], dtype=np.float32)}, {}).total.tolist() == [0, 0]


def test_equal_scores_keep_their_order():
    assert ranked(np.array([1, 2, 2, 1], dtype=np.float32)) == [1, 2, 0, 3]


def test_lanes_of_different_length_are_refused():
    with pytest.raises(ValueError, match="different numbers of pages"):
        fuse({"a": np.zeros(2, dtype=np.float32), "b": np.zeros(3, dtype=np.float32)}, {"a": 1, "b": 1})
