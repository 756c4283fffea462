"""`deployment.sample-ratio-mismatch`: arms of another size than planned void an experiment; a part tells where."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_balance import ArmBalance
from plumbline.diagnosis import Status

ID = "deployment.sample-ratio-mismatch"
EVEN = ArmBalance(
    planned=1,
    arms=("control", "treatment"),
    sizes=(5030, 4970),
    expected=(5000.0, 5000.0),
    p=1.0,
    crossed=0,
    strangers=0,
    stranger="",
    parts=2,
    uneven=0,
    part="",
    part_sizes=(),
    part_p=1.0,
    alike=0.4,
)
LOST = replace(EVEN, uneven=1, part="platform=ios", part_sizes=(2500, 1900), part_p=1e-12, alike=1e-9)


def test_arms_as_planned_are_ok(judge):
    finding = judge(ID)(EVEN)
    assert finding.status is Status.OK
    assert "5030 in control and 4970 in treatment, planned 5000 and 5000" in finding.sentence
    assert "taken as equal" in judge(ID)(replace(EVEN, planned=0)).sentence


def test_one_uneven_part_is_where_units_get_lost_whatever_the_whole_says(judge):
    finding = judge(ID)(LOST)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "lost-in-one-part")
    assert "Among platform=ios 2500 in control and 1900 in treatment" in finding.sentence
    assert judge(ID)(replace(LOST, p=0.0)).cause == "lost-in-one-part"


def test_parts_that_are_uneven_alike_are_uneven_everywhere(judge):
    assert judge(ID)(replace(LOST, uneven=2, p=0.0, alike=0.3)).cause == "uneven-everywhere"


def test_a_broken_whole_whose_parts_differ_loses_units_in_one_though_it_is_too_small_to_be_sure(judge):
    finding = judge(ID)(replace(EVEN, p=1e-4, alike=1e-5))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "lost-in-one-part")


def test_a_broken_whole_without_parts_is_uneven_everywhere(judge):
    finding = judge(ID)(replace(EVEN, p=1e-4, parts=0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "uneven-everywhere")
    assert judge(ID)(replace(EVEN, p=0.0)).cause == "uneven-everywhere"
    assert judge(ID)(replace(EVEN, p=0.0011)).status is Status.OK


def test_units_in_several_arms_are_an_unstable_assignment_but_a_few_are_not(judge):
    finding = judge(ID)(replace(EVEN, crossed=400))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "assignment-unstable")
    assert judge(ID)(replace(EVEN, crossed=40)).status is Status.OK


def test_an_arm_that_nobody_planned_is_told_first(judge):
    finding = judge(ID)(replace(LOST, strangers=3, stranger="treatment-b", crossed=4000))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "unplanned-arm")
    assert "'treatment-b'" in finding.sentence


def test_of_few_units_nothing_is_said(judge):
    assert judge(ID)(replace(EVEN, sizes=(60, 40), expected=(50.0, 50.0))).status is Status.UNKNOWN
    assert judge(ID)(replace(EVEN, sizes=(10, 5), crossed=5)).status is Status.UNKNOWN
    assert judge(ID)(replace(EVEN, sizes=(0, 0), expected=(0.0, 0.0))).status is Status.UNKNOWN


counts = st.integers(0, 10_000)
chances = st.floats(0, 1)


@given(
    st.builds(
        ArmBalance,
        planned=st.integers(0, 1),
        arms=st.just(("a", "b")),
        sizes=st.tuples(counts, counts),
        expected=st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)),
        p=chances,
        crossed=counts,
        strangers=st.integers(0, 2),
        stranger=st.just("c"),
        parts=st.integers(0, 5),
        uneven=st.integers(0, 5),
        part=st.just("platform=ios"),
        part_sizes=st.tuples(counts, counts),
        part_p=chances,
        alike=chances,
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
