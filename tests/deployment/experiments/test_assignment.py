"""A unit keeps its arm: over restarts, machines and growing shares."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.assignment import assign, place
from plumbline.deployment.experiments.plan import Arm, Metric, Plan
from plumbline.deployment.statistics.srm import balance

PLAN = Plan("layout", (Arm("control", 0.9), Arm("treatment", 0.1)), (Metric("bought"),), salt="9f2c")


def test_another_process_assigns_the_same() -> None:
    said = (
        "from plumbline.deployment.experiments.assignment import place\n"
        "print([place('9f2c', str(n)) for n in range(20)])"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([place("9f2c", str(number)) for number in range(20)])


def test_the_arms_get_the_shares_that_were_planned() -> None:
    counted = Counter(assign(PLAN, f"user-{number}").name for number in range(50_000))
    assert not balance([counted["control"], counted["treatment"]], [0.9, 0.1]).broken


@given(st.text(min_size=1), st.floats(0.05, 0.9))
def test_when_the_treatment_grows_nobody_leaves_it(unit: str, share: float) -> None:
    # The treatment comes first here: it grows at the cost of the other alone.
    small = replace(PLAN, arms=(Arm("treatment", share), Arm("control", 1 - share)))
    large = replace(PLAN, arms=(Arm("treatment", share + 0.05), Arm("control", 0.95 - share)))
    if assign(small, unit).name == "treatment":
        assert assign(large, unit).name == "treatment"


def test_two_experiments_divide_the_units_independently() -> None:
    other = replace(PLAN, salt="77aa", arms=(Arm("control", 0.5), Arm("treatment", 0.5)))
    half = replace(PLAN, arms=other.arms)
    both = Counter((assign(half, str(n)).name, assign(other, str(n)).name) for n in range(20_000))
    assert not balance(list(both.values()), [0.25] * 4).broken


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arms": (Arm("a", 1.0),)}, "expected two or more"),
        ({"arms": (Arm("a", 0.5), Arm("a", 0.5))}, "each name once"),
        ({"arms": (Arm("a", 0.5), Arm("b", 0.4))}, "add up to 1, not 0.9"),
        ({"salt": ""}, "has no salt"),
        ({"metrics": ()}, "no metric to decide by"),
        ({"metrics": (Metric("m", guardrail=True),)}, "no metric to decide by"),
        ({"metrics": (Metric("m"), Metric("m"))}, "names a metric twice"),
        ({"metrics": (Metric("m", tolerated=-1),)}, "at least 0"),
        ({"alpha": 0.0}, "probability of error"),
        ({"units": 1}, "two arms want more"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        replace(PLAN, **change)


def test_a_unit_without_a_key_is_refused() -> None:
    with pytest.raises(InvalidError, match="without a key"):
        assign(PLAN, "")
