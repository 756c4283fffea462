"""`deployment.signature-mismatch`: does the server take what its callers send?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_contract import Contract
from plumbline.diagnosis import Status

ID = "deployment.signature-mismatch"
FITS = Contract(asked=4, answered=4, mismatched=0, declared=3)
REFUSED = replace(FITS, answered=0, mismatched=4, refusal="422 unknown_field the model has no input 'tickets'")


@pytest.fixture(scope="module")
def signature(judge):
    return judge(ID)


def test_questions_that_are_answered_are_ok(signature):
    assert signature(FITS).status is Status.OK
    assert "declares no inputs" in signature(replace(FITS, declared=None)).sentence


def test_a_feature_that_the_server_ignores_is_ok_as_long_as_it_answers(signature):
    assert signature(replace(FITS, unknown=("note",))).status is Status.OK


@pytest.mark.parametrize(
    ("unknown", "lacking", "cause"),
    [
        (("tickets",), ("support_tickets",), "feature-renamed"),
        ((), ("region",), "feature-added"),
        (("tickets",), (), "feature-removed"),
        ((), (), "shape-or-type"),
    ],
)
def test_refused_questions_name_the_features_and_the_cause(signature, unknown, lacking, cause):
    finding = signature(replace(REFUSED, unknown=unknown, lacking=lacking))
    assert (finding.status, finding.cause) == (Status.CRITICAL, cause)
    assert all(name in finding.sentence for name in (*unknown, *lacking))


def test_without_names_the_refusal_itself_is_told(signature):
    assert "no input 'tickets'" in signature(REFUSED).sentence


def test_a_server_that_answers_though_a_feature_is_lacking_is_a_warning(signature):
    finding = signature(replace(FITS, lacking=("region",)))
    assert (finding.status, finding.cause) == (Status.WARNING, "feature-added")
    assert signature(replace(FITS, retyped=("age",))).cause == "shape-or-type"


def test_refusals_for_other_reasons_are_not_judged(signature):
    finding = signature(replace(FITS, answered=0, other_refusal="503 full the queue is full"))
    assert finding.status is Status.UNKNOWN
    assert "queue is full" in finding.sentence


counts = st.integers(0, 24)
names = st.sampled_from([(), ("age",)])


@given(
    st.builds(
        Contract,
        asked=st.integers(1, 24),
        answered=counts,
        mismatched=counts,
        declared=st.none() | counts,
        unknown=names,
        lacking=names,
        retyped=names,
    )
)
def test_every_red_finding_names_a_declared_cause(signature, declared_causes, some):
    finding = signature(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
