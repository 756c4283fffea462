"""`deployment.cold-start`: answers that take many times the median, held against births of processes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_coldness import AnswerTimes
from plumbline.diagnosis import Status

ID = "deployment.cold-start"
WARM = AnswerTimes(answered=60, failed=0, first_s=0.004, median_s=0.003, slowest_s=(0.02, 0.01), born=0)
COLD = replace(WARM, slowest_s=(0.4, 0.35, 0.3, 0.01), born=4)


def test_answers_that_take_their_time_evenly_are_ok(judge):
    assert judge(ID)(WARM).status is Status.OK
    slow_model = replace(WARM, median_s=0.5, first_s=0.6, slowest_s=(0.9, 0.8), born=4)
    assert judge(ID)(slow_model).status is Status.OK


def test_slow_answers_while_processes_begin_are_not_warmed(judge):
    finding = judge(ID)(COLD)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "not-warmed")
    assert "4 processes began meanwhile" in finding.sentence


def test_warm_processes_may_begin_and_two_slow_answers_may_be_pauses(judge):
    assert judge(ID)(replace(WARM, born=4)).status is Status.OK
    assert judge(ID)(replace(COLD, slowest_s=(0.4, 0.35, 0.02))).status is Status.OK


def test_slow_answers_without_a_new_process_have_other_reasons(judge):
    assert judge(ID)(replace(COLD, born=0)).status is Status.OK


def test_where_births_are_not_seen_it_is_a_warning(judge):
    finding = judge(ID)(replace(COLD, born=None))
    assert (finding.status, finding.cause) == (Status.WARNING, "not-warmed")


def test_a_first_answer_that_is_slow_alone_had_its_model_put_away(judge):
    finding = judge(ID)(replace(WARM, first_s=4.0))
    assert (finding.status, finding.cause) == (Status.WARNING, "unloaded-when-idle")
    assert judge(ID)(replace(WARM, first_s=0.6)).status is Status.OK


def test_a_server_that_mostly_fails_is_not_judged(judge):
    assert judge(ID)(replace(COLD, answered=3, failed=57)).status is Status.UNKNOWN


seconds = st.floats(0, 20)


@given(
    st.builds(
        AnswerTimes,
        answered=st.integers(1, 60),
        failed=st.integers(0, 60),
        first_s=st.none() | seconds,
        median_s=seconds,
        slowest_s=st.lists(seconds, max_size=10).map(lambda some: tuple(sorted(some, reverse=True))),
        born=st.none() | st.integers(0, 9),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, times):
    finding = judge(ID)(times)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
