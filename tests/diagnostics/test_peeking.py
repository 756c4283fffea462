"""`deployment.peeking`: a decision is held against what was known at that moment, however often somebody had looked."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_peeking import Peeks
from plumbline.diagnosis import Status

ID = "deployment.peeking"
STOPPED = Peeks(
    decided="treatment",
    control="control",
    compared="treatment",
    units=1000,
    planned=6000,
    alpha=0.05,
    looks=10,
    noted=True,
    crossed=1,
    first_units=1000,
    p=0.046,
    difference=0.036,
    low=-0.026,
    high=0.098,
    supported=False,
    plan_looks=60,
    alarms=0.34,
)


def test_a_winner_at_the_first_crossing_before_the_planned_size_is_critical(judge):
    finding = judge(ID)(STOPPED)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "stopped-at-first-crossing")
    assert "p = 0.046 after 1000 of 6000 units" in finding.sentence
    assert "34 %" in finding.sentence
    assert "-0.026 to +0.098" in finding.sentence


def test_what_the_interval_for_every_look_supports_may_be_decided_early(judge):
    assert judge(ID)(replace(STOPPED, supported=True, low=0.01)).status is Status.OK


def test_at_the_planned_size_the_fixed_horizon_test_is_what_it_was_made_for(judge):
    assert judge(ID)(replace(STOPPED, units=6000)).status is Status.OK
    assert judge(ID)(replace(STOPPED, units=6600)).status is Status.OK
    assert judge(ID)(replace(STOPPED, units=5999)).cause == "stopped-at-first-crossing"


def test_beyond_the_planned_size_it_ran_until_it_crossed(judge):
    finding = judge(ID)(replace(STOPPED, units=6601))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "ran-until-crossing")


def test_a_winner_that_no_test_supports_is_another_cause(judge):
    finding = judge(ID)(replace(STOPPED, p=0.2, crossed=0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "decided-without-evidence")
    assert judge(ID)(replace(STOPPED, p=0.05, units=6000)).cause == "decided-without-evidence"


def test_keeping_the_control_claims_nothing(judge):
    assert judge(ID)(replace(STOPPED, decided="control")).status is Status.OK


def test_undecided_is_ok_and_says_what_peeking_would_have_seen(judge):
    finding = judge(ID)(replace(STOPPED, decided="", noted=False))
    assert finding.status is Status.OK
    assert "Nothing is decided" in finding.sentence
    assert "at 1 look of 10 looks, taking one a day" in finding.sentence


def test_so_few_units_that_no_interval_is_given_support_no_winner(judge):
    finding = judge(ID)(replace(STOPPED, units=80, low=None, high=None, difference=None))
    assert finding.cause == "stopped-at-first-crossing"
    assert "no interval" in finding.sentence


def test_without_units_nothing_is_said(judge):
    assert judge(ID)(replace(STOPPED, units=0, decided="")).status is Status.UNKNOWN


@given(
    st.builds(
        Peeks,
        decided=st.sampled_from(["", "control", "treatment"]),
        control=st.just("control"),
        compared=st.just("treatment"),
        units=st.integers(0, 10_000),
        planned=st.integers(2, 10_000),
        alpha=st.floats(0.001, 0.5),
        looks=st.integers(0, 100),
        noted=st.booleans(),
        crossed=st.integers(0, 100),
        first_units=st.integers(0, 100),
        p=st.floats(0, 1),
        supported=st.booleans(),
        low=st.none() | st.floats(-1, 1),
        high=st.none() | st.floats(-1, 1),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
