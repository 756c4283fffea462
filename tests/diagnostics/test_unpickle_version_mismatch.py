"""`deployment.unpickle-version-mismatch`: what a pickle records, against what its server has."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_pickles import PickledModel
from plumbline.diagnosis import Status

ID = "deployment.unpickle-version-mismatch"
SAME = PickledModel(
    file="churn.pkl",
    recorded=("1.9.1",),
    installed="1.9.1",
    numpy="2.4.6",
    numpy_core=True,
    missing=(),
    own_code=(),
    whole=True,
    of_server=True,
)


def test_the_same_release_is_ok_and_so_is_another_patch(judge):
    assert judge(ID)(SAME).status is Status.OK
    assert judge(ID)(replace(SAME, recorded=("1.9.0",))).status is Status.OK


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"recorded": ("1.3.2",)}, "other-version"),
        ({"recorded": ("1.9.1", "1.8.0")}, "other-version"),
        ({"numpy": "1.26.4"}, "other-version"),
        ({"missing": ("lightgbm",), "recorded": ("1.3.2",)}, "missing-package"),
    ],
)
def test_what_cannot_be_loaded_is_critical_at_the_server_and_a_warning_elsewhere(judge, changed, cause):
    finding = judge(ID)(replace(SAME, **changed))
    assert (finding.status, finding.cause) == (Status.CRITICAL, cause)
    assert judge(ID)(replace(SAME, of_server=False, **changed)).status is Status.WARNING


def test_code_of_the_script_that_wrote_it_is_a_warning(judge):
    assert judge(ID)(replace(SAME, own_code=("__main__",))).cause == "own-code"


def test_what_records_nothing_is_ok_only_if_it_was_read_to_its_end(judge):
    assert judge(ID)(replace(SAME, recorded=())).status is Status.OK
    assert judge(ID)(replace(SAME, recorded=(), whole=False)).status is Status.UNKNOWN


@given(
    st.lists(st.sampled_from(["1.9.1", "1.3.2"]), max_size=2).map(tuple),
    st.sampled_from(["2.4.6", "1.26.4", ""]),
    st.lists(st.just("xgboost"), max_size=1).map(tuple),
    st.lists(st.just("__main__"), max_size=1).map(tuple),
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, recorded, numpy, missing, own):
    finding = judge(ID)(replace(SAME, recorded=recorded, numpy=numpy, missing=missing, own_code=own))
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
