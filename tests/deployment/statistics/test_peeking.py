"""How often repeated looks at a fixed-horizon test err, beside the table that was computed in 1969."""

import pytest

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.peeking import false_alarms, fixed_p
from plumbline.deployment.statistics.sequences import Arm


@pytest.mark.parametrize(("looks", "table"), [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320)])
def test_evenly_spaced_looks_err_as_in_the_table_of_armitage_mcpherson_and_rowe(looks, table):
    assert false_alarms(range(1, looks + 1), 0.05) == pytest.approx(table, abs=0.01)


def test_only_the_ratios_of_the_sizes_matter_and_late_looks_err_less_than_ones_spread_from_the_start():
    assert false_alarms([100, 200, 300], 0.05) == false_alarms([1, 2, 3], 0.05)
    assert false_alarms([900, 950, 1000], 0.05) < false_alarms([10, 100, 1000], 0.05)
    assert false_alarms(range(1, 61), 0.01) > 0.05


@pytest.mark.parametrize(("sizes", "level"), [([], 0.05), ([2, 1], 0.05), ([0, 1], 0.05), ([1], 0.0), ([1], 1.0)])
def test_what_is_no_plan_of_looks_is_refused(sizes, level):
    with pytest.raises(InvalidError):
        false_alarms(sizes, level)


def test_the_p_value_is_the_two_sided_one_of_the_normal_distribution():
    assert fixed_p(Arm(1000, 0.0, 1.0), Arm(1000, 1.959964 * (2 / 1000) ** 0.5, 1.0)) == pytest.approx(0.05, abs=1e-6)
    assert fixed_p(Arm(1000, 0.3, 0.2), Arm(1000, 0.3, 0.2)) == 1.0


def test_without_units_or_spread_nothing_is_significant():
    assert fixed_p(Arm(1, 0.0, 0.0), Arm(500, 1.0, 0.1)) == 1.0
    assert fixed_p(Arm(500, 0.0, 0.0), Arm(500, 1.0, 0.0)) == 1.0
