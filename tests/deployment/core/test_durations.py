"""Times as people write them."""

from __future__ import annotations

import pytest

from plumbline.deployment.core.durations import seconds, told
from plumbline.deployment.core.errors import InvalidError


@pytest.mark.parametrize(
    ("given", "want"),
    [(90, 90.0), ("90s", 90.0), ("30 min", 1800.0), ("1.5h", 5400.0), ("2w", 1209600.0), ("5ms", 0.005)],
)
def test_times_are_read_in_any_unit(given: str | float, want: float) -> None:
    assert seconds(given, "hold") == want


@pytest.mark.parametrize("given", ["soon", "-1s", -1, True, float("nan"), "3 fortnights"])
def test_what_is_no_time_is_refused_by_name(given: str | float) -> None:
    with pytest.raises(InvalidError, match=r"cool_down is .* expected a time such as"):
        seconds(given, "cool_down")


def test_a_time_is_told_in_the_largest_unit_that_fits_twice() -> None:
    assert [told(one) for one in (30, 119, 120, 7_200, 172_800)] == ["30 s", "119 s", "2 min", "2 h", "2 d"]
