"""`deployment.registry-conflict`: do deployers stand in each other's way?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_contest import Contest
from plumbline.diagnosis import Status

ID = "deployment.registry-conflict"
LEFT = Contest(holder="churn-41@build-7", left_s=1200, term_s=3600, silent_s=2400)
FOUGHT = Contest(alias="production", undone=2, by_hand=3, movers=("ann", "nightly"))


@pytest.fixture(scope="module")
def conflict(judge):
    return judge(ID)


def test_nobody_deploys_and_nothing_moved_is_ok(conflict):
    assert conflict(Contest()).status is Status.OK


def test_a_deployment_that_renews_its_lease_is_ok(conflict):
    assert (
        conflict(Contest(holder="churn-41@build-7", left_s=25, term_s=30, silent_s=5, lives=True)).status is Status.OK
    )
    assert conflict(replace(LEFT, left_s=3000, silent_s=600)).status is Status.OK


def test_a_long_lease_that_nobody_renews_was_left_behind(conflict):
    finding = conflict(LEFT)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "lease-left-behind")
    assert "churn-41@build-7" in finding.sentence
    assert "take-over" in finding.next[0]


def test_a_dead_process_need_not_be_waited_for(conflict):
    finding = conflict(replace(LEFT, left_s=3500, silent_s=100, lives=False))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "lease-left-behind")


def test_a_process_that_lives_and_renews_nothing_hangs(conflict):
    assert conflict(replace(LEFT, lives=True)).cause == "deployer-hangs"


def test_a_lease_that_ends_soon_is_waited_for(conflict):
    assert conflict(Contest(holder="a", left_s=10, term_s=30, silent_s=20, lives=False)).status is Status.OK


def test_moves_that_others_undo_are_a_quarrel_and_one_is_a_rollback(conflict):
    finding = conflict(FOUGHT)
    assert (finding.status, finding.cause) == (Status.WARNING, "alias-fought-over")
    assert "ann and nightly" in finding.sentence
    assert conflict(replace(FOUGHT, undone=1)).status is Status.OK


def test_a_registry_without_a_history_is_said_to_have_been_watched(conflict):
    assert "no history" in conflict(Contest(alias="production", watched_s=3.0)).sentence


numbers = st.floats(0, 3600)


@given(
    st.builds(
        Contest,
        holder=st.sampled_from(["", "a@b"]),
        left_s=numbers,
        term_s=numbers,
        silent_s=numbers,
        lives=st.none() | st.booleans(),
        alias=st.sampled_from(["", "production"]),
        undone=st.integers(0, 9),
        by_hand=st.integers(0, 9),
        movers=st.sampled_from([(), ("a", "b")]),
        watched_s=st.none() | numbers,
    )
)
def test_every_red_finding_names_a_declared_cause(conflict, declared_causes, some):
    finding = conflict(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
