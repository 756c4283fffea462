"""`deployment.retraining-thrash`: trainings soon after another one with hardly a new label, and why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_trainings import Trainings
from plumbline.diagnosis import Status

ID = "deployment.retraining-thrash"
CALM = Trainings(
    window_s=86_400.0,
    started=1,
    wasted=0,
    shortest_s=0.0,
    fewest_labels=0,
    failed=0,
    undeployed=0,
    trembling=0,
    cool_down_s=86_400.0,
    new_labels=500,
    band=0.5,
)
NIGHT = replace(
    CALM, started=5, wasted=4, shortest_s=900.0, fewest_labels=12, cool_down_s=0.0, new_labels=0, band=0.005
)


def test_a_training_now_and_then_is_ok(judge):
    finding = judge(ID)(CALM)
    assert finding.status is Status.OK
    assert "0 of them for nothing (limit 2)" in finding.sentence
    assert judge(ID)(replace(CALM, started=2, wasted=1)).status is Status.OK


@pytest.mark.parametrize(
    ("common", "cause"),
    [
        ({"trembling": 2}, "signal-trembles"),
        ({"trembling": 1}, "reason-stays"),
        ({"undeployed": 3, "trembling": 4}, "never-deployed"),
        ({"failed": 2, "undeployed": 2}, "training-fails"),
    ],
)
def test_what_half_of_them_have_in_common_is_the_cause(judge, common, cause):
    finding = judge(ID)(replace(NIGHT, **common))
    assert (finding.status, finding.cause) == (Status.WARNING, cause)


def test_a_whole_night_of_them_is_critical(judge):
    assert judge(ID)(replace(NIGHT, started=15, wasted=14, trembling=14)).status is Status.CRITICAL


def test_what_is_declared_is_said_where_it_is_known(judge):
    assert "cool_down 0 s, new_labels 0, a rule ends 0.5 % from where it begins" in judge(ID)(NIGHT).sentence
    assert "a rule ends" not in judge(ID)(replace(NIGHT, band=None)).sentence
    assert "declared" not in judge(ID)(replace(NIGHT, cool_down_s=None, new_labels=None)).sentence


counts = st.integers(0, 30)


@given(
    st.builds(
        Trainings,
        window_s=st.floats(0, 86_400),
        started=counts,
        wasted=counts,
        shortest_s=st.floats(0, 86_400),
        fewest_labels=st.integers(0, 1000),
        failed=counts,
        undeployed=counts,
        trembling=counts,
        cool_down_s=st.none() | st.floats(0, 1e6),
        new_labels=st.none() | counts,
        band=st.none() | st.floats(0, 1),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
