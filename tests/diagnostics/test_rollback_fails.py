"""`deployment.rollback-fails`: the version that served before, looked at before it is needed."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_wayback import WayBack
from plumbline.diagnosis import Status

ID = "deployment.rollback-fails"
WELL = WayBack(current="1.0.1", target="1.0.0", files=2, asked=4)


def test_a_whole_version_that_takes_todays_questions_is_ok(judge):
    finding = judge(ID)(WELL)
    assert finding.status is Status.OK
    assert "1.0.1 is in production, 1.0.0 was before" in finding.sentence


def test_a_first_version_has_no_way_back_and_nothing_is_wrong(judge):
    finding = judge(ID)(WayBack(current="1.0.0", target=""))
    assert finding.status is Status.OK
    assert "no way back yet" in finding.sentence


def test_a_missing_file_is_named(judge):
    finding = judge(ID)(replace(WELL, missing=1, first_bad="model.onnx"))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "target-gone")
    assert "model.onnx" in finding.sentence
    assert judge(ID)(replace(WELL, collected=True)).cause == "target-gone"


def test_an_altered_file_is_another_cause(judge):
    finding = judge(ID)(replace(WELL, damaged=1, first_bad="model.onnx"))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "target-damaged")


def test_questions_of_today_that_the_target_refuses_are_critical(judge):
    finding = judge(ID)(replace(WELL, refused=4, refusal="input 'age' is unknown"))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "target-incompatible")
    assert "input 'age' is unknown" in finding.sentence


def test_without_questions_a_broken_contract_is_a_warning_and_with_them_they_decide(judge):
    broken = replace(WELL, breaks=1, broken="input 'age' is gone")
    assert judge(ID)(broken).status is Status.OK
    finding = judge(ID)(replace(broken, asked=None))
    assert (finding.status, finding.cause) == (Status.WARNING, "target-incompatible")


small = st.integers(0, 5)


@given(
    st.builds(
        WayBack,
        current=st.just("2.0.0"),
        target=st.sampled_from(["", "1.0.0"]),
        files=small,
        missing=small,
        damaged=small,
        collected=st.booleans(),
        breaks=small,
        asked=st.none() | small,
        refused=small,
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
