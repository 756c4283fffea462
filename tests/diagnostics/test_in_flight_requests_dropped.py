"""`deployment.in-flight-requests-dropped`: questions that were lost, held against processes that ended."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_leaving import Leaving
from plumbline.diagnosis import Status

ID = "deployment.in-flight-requests-dropped"
WELL = Leaving(asked=80, cut=0, turned_away=0, longest_s=0.3, ended=4)


def test_processes_that_end_and_lose_nothing_are_ok(judge):
    finding = judge(ID)(WELL)
    assert finding.status is Status.OK
    assert "Of 80 questions, each sent once, 0 questions were cut" in finding.sentence
    assert "while 4 processes of the server ended" in finding.sentence


def test_a_quiet_minute_says_that_it_was_one(judge):
    assert "no end of a process was seen" in judge(ID)(replace(WELL, ended=0)).sentence
    assert "no end of a process was seen" in judge(ID)(replace(WELL, ended=None)).sentence


def test_questions_cut_by_processes_that_take_sigterm_had_too_short_a_grace(judge):
    finding = judge(ID)(replace(WELL, cut=5))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "grace-too-short")
    assert judge(ID)(replace(WELL, cut=5, deaf=3)).cause == "grace-too-short"


def test_processes_that_do_not_take_sigterm_do_not_drain(judge):
    finding = judge(ID)(replace(WELL, cut=5, deaf=4))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "no-drain")


def test_questions_that_mostly_found_nobody_were_sent_to_a_closing_server(judge):
    finding = judge(ID)(replace(WELL, cut=2, turned_away=9))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "closing-upstream")


def test_without_a_pid_it_is_a_warning(judge):
    finding = judge(ID)(replace(WELL, cut=5, ended=None))
    assert (finding.status, finding.cause) == (Status.WARNING, "grace-too-short")


def test_losses_while_nobody_ended_have_other_reasons_or_another_pid(judge):
    finding = judge(ID)(replace(WELL, cut=5, ended=0))
    assert finding.status is Status.UNKNOWN
    assert "not of a proxy?" in finding.sentence


def test_one_of_them_may_be_an_accident(judge):
    assert judge(ID)(replace(WELL, cut=1, turned_away=1)).status is Status.OK


def test_a_grace_below_the_longest_answer_is_told_before_anything_is_lost(judge):
    finding = judge(ID)(replace(WELL, ended=0, granted_s=0.1))
    assert (finding.status, finding.cause) == (Status.WARNING, "grace-too-short")
    assert "a grace of 0.1 s" in finding.sentence
    assert judge(ID)(replace(WELL, granted_s=30.0)).status is Status.OK


counts = st.integers(0, 9)


@given(
    st.builds(
        Leaving,
        asked=st.integers(1, 99),
        cut=counts,
        turned_away=counts,
        longest_s=st.floats(0, 9),
        ended=st.none() | counts,
        deaf=counts,
        granted_s=st.none() | st.floats(0, 60),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, seen):
    finding = judge(ID)(seen)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
