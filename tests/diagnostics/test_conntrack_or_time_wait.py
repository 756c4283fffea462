"""`streaming.conntrack-or-time-wait`: a full conntrack table is an outage, a pile of TIME_WAIT is a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.tables import ConnectionTables

ID = "streaming.conntrack-or-time-wait"


def seen(*, tracked=100, limit=1000, dropped=0, time_wait=0, overflows=0, ours=0):
    return ConnectionTables(
        time_wait=time_wait,
        time_wait_limit=1000,
        time_wait_overflows=overflows,
        closed_by_us=ours,
        tracked=tracked,
        tracked_limit=limit,
        dropped=dropped,
        evicted=0,
        window_s=1.0,
    )


@pytest.fixture(scope="module")
def table(judge):
    return judge(ID)


def test_room_in_both_is_ok(table):
    finding = table(seen(time_wait=200))
    assert finding.status is Status.OK
    assert finding.sentence == (
        "Conntrack is 10 % full (limit 95 %), dropped 0 packets in 1 s; "
        "200 in TIME_WAIT, 20 % of the limit (limit 80 %)."
    )


def test_a_machine_that_tracks_nothing_is_ok_and_says_so(table):
    finding = table(seen(tracked=None, limit=None))
    assert (finding.status, finding.sentence[:24]) == (Status.OK, "No connection is tracked")


@pytest.mark.parametrize(
    ("tracked", "dropped", "status"),
    [(740, 0, Status.OK), (760, 0, Status.WARNING), (950, 0, Status.CRITICAL), (100, 1, Status.CRITICAL)],
)
def test_conntrack_is_judged_by_drops_and_fill(table, tracked, dropped, status):
    finding = table(seen(tracked=tracked, dropped=dropped))
    assert finding.status is status
    assert finding.cause == (None if status is Status.OK else "conntrack-full")


@pytest.mark.parametrize(("ours", "cause"), [(700, "server-closes-first"), (10, "client-closes-first")])
def test_a_pile_of_time_wait_is_never_more_than_a_warning(table, ours, cause):
    finding = table(seen(time_wait=1000, overflows=500, ours=ours))
    assert (finding.status, finding.cause) == (Status.WARNING, cause)


def test_a_full_conntrack_table_comes_before_time_wait(table):
    assert table(seen(tracked=1000, dropped=3, time_wait=1000, overflows=9)).cause == "conntrack-full"


@given(st.integers(0, 1000), st.integers(0, 3), st.integers(0, 1000), st.integers(0, 5))
def test_every_red_finding_names_a_declared_cause(table, declared_causes, tracked, dropped, time_wait, overflows):
    finding = table(seen(tracked=tracked, dropped=dropped, time_wait=time_wait, overflows=overflows))
    assert finding.status.red == (finding.cause in declared_causes(ID))
