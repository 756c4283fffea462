"""`deployment.canary-inconclusive`: no errors in no requests is no good news."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_canary import CanaryTraffic
from plumbline.diagnosis import Status

ID = "deployment.canary-inconclusive"
CANARY = CanaryTraffic(
    versions=2, candidate="1.0.1+ab", share=0.05, requests=40, arrived=2, came=40, per_s=20.0, window_s=2.0
)


def test_one_version_is_no_canary(judge):
    finding = judge(ID)(CanaryTraffic(versions=1))
    assert finding.status is Status.OK
    assert "no canary" in finding.sentence


def test_a_canary_that_has_its_requests_or_soon_has_them_is_ok(judge):
    assert judge(ID)(replace(CANARY, requests=313, arrived=0)).status is Status.OK
    finding = judge(ID)(CANARY)
    assert finding.status is Status.OK
    assert "1.0.1+ab gets 0.05 of 20 requests per second" in finding.sentence


def test_a_share_that_needs_more_than_an_hour_is_too_small(judge):
    finding = judge(ID)(replace(CANARY, share=0.001, requests=0, arrived=0))
    assert (finding.status, finding.cause) == (Status.WARNING, "share-too-small")
    assert judge(ID)(replace(CANARY, share=313 / 3600 / 20 * 1.01, requests=0, arrived=0)).status is Status.OK


def test_a_share_of_which_nothing_arrives_is_not_reached(judge):
    finding = judge(ID)(replace(CANARY, share=0.5, requests=0, arrived=0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "not-reached")
    assert judge(ID)(replace(CANARY, share=0.2, requests=0, arrived=0)).status is Status.OK  # 8 were due


def test_a_server_that_nobody_asks_has_no_traffic(judge):
    finding = judge(ID)(replace(CANARY, per_s=0.0, came=0, arrived=0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "no-traffic")


def test_shares_that_move_are_looked_at_again(judge):
    assert judge(ID)(CanaryTraffic(versions=2, changed=True)).status is Status.UNKNOWN


count = st.integers(0, 1000)


@given(
    st.builds(
        CanaryTraffic,
        versions=st.integers(0, 3),
        candidate=st.just("1.0.1+ab"),
        share=st.floats(1e-6, 1),
        requests=count,
        arrived=count,
        per_s=st.just(0.0) | st.floats(0.1, 1e4),
        window_s=st.floats(2, 20),
        changed=st.booleans(),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
