"""`deployment.health-check-lies`: what the check says, held against what is answered."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_readiness import Readiness
from plumbline.diagnosis import Status

ID = "deployment.health-check-lies"
WELL = Readiness(checks=6, ready=6, asked=12, right=12, wrong=0, absent=0, broken=0, refused=0, silent=0)


def test_a_server_that_is_ready_and_answers_rightly_is_ok(judge):
    finding = judge(ID)(WELL)
    assert finding.status is Status.OK
    assert "6 checks of 6 said ready" in finding.sentence


def test_ready_without_the_model_is_critical_and_quotes_the_error(judge):
    finding = judge(ID)(replace(WELL, right=6, absent=6, refusal="404 Model churn not found"))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "model-not-loaded")
    assert "404 Model churn not found" in finding.sentence


def test_errors_of_the_server_and_silence_are_failing_predictions(judge):
    assert judge(ID)(replace(WELL, right=10, broken=2)).cause == "predictions-fail"
    assert judge(ID)(replace(WELL, right=10, silent=2)).cause == "predictions-fail"
    assert judge(ID)(replace(WELL, right=7, absent=2, broken=3)).cause == "predictions-fail"


def test_one_failure_of_twelve_may_be_an_accident(judge):
    assert judge(ID)(replace(WELL, right=11, broken=1)).status is Status.OK


def test_wrong_answers_are_another_model_unless_the_features_explain_them(judge):
    finding = judge(ID)(replace(WELL, right=9, wrong=3))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "other-model")
    explained = judge(ID)(replace(WELL, right=0, wrong=12, explained=True))
    assert explained.status is Status.OK
    assert "which no health check sees" in explained.sentence


def test_a_server_that_says_it_is_not_ready_does_not_lie(judge):
    finding = judge(ID)(replace(WELL, ready=0, right=0, absent=12))
    assert finding.status is Status.OK
    assert "says itself that it is not ready" in finding.sentence


def test_questions_that_do_not_fit_the_model_say_nothing(judge):
    assert judge(ID)(replace(WELL, right=0, refused=12, refusal="422 signature")).status is Status.UNKNOWN


counts = st.integers(0, 12)


@given(
    st.builds(
        Readiness,
        checks=st.just(6),
        ready=st.integers(0, 6),
        asked=st.just(12),
        right=counts,
        wrong=counts,
        absent=counts,
        broken=counts,
        refused=counts,
        silent=counts,
        refusal=st.sampled_from(["", "500 failed"]),
        explained=st.booleans(),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
