"""`streaming.fd-exhaustion`: judged by the limit of that very process, and by what the descriptors are."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.evidence import Endpoint
from plumbline.host.descriptors import FileDescriptors

ID = "streaming.fd-exhaustion"
RANK = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}
HEALTHY = FileDescriptors(
    process="nginx",
    pid=7,
    open=120,
    soft_limit=1024,
    hard_limit=4096,
    sockets=110,
    files=6,
    others=4,
    close_wait=0,
    host_open=5000,
    host_limit=2_000_000,
)
counts = st.integers(min_value=0, max_value=5000)
evidence = st.builds(
    FileDescriptors,
    process=st.just("server"),
    pid=st.just(7),
    open=counts,
    soft_limit=st.integers(min_value=0, max_value=5000),
    hard_limit=st.integers(min_value=0, max_value=5000),
    sockets=st.none() | counts,
    files=st.none() | counts,
    others=st.none() | counts,
    close_wait=st.none() | counts,
    host_open=st.none() | counts,
    host_limit=st.none() | st.integers(min_value=1, max_value=10_000),
)


@pytest.fixture(scope="module")
def fds(judge):
    return judge(ID)


def test_a_server_with_room_is_ok_and_says_how_much(fds):
    finding = fds(HEALTHY)
    assert finding.status is Status.OK
    assert finding.sentence == "nginx holds 120 of 1024 file descriptors (12 %; limit 80 %)."


def test_just_below_the_limit_is_not_yet_a_warning(fds, load):
    limit = load(ID).NEARLY_FULL.value
    assert fds(replace(HEALTHY, open=int(1024 * limit), sockets=800)).status is Status.OK
    assert fds(replace(HEALTHY, open=int(1024 * limit) + 1, sockets=800)).status is Status.WARNING


def test_a_server_at_its_limit_with_live_connections_wants_a_higher_one(fds):
    finding = fds(replace(HEALTHY, open=1024, sockets=1010))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "limit-too-low")
    assert "1024 of 1024" in finding.sentence
    assert "prlimit" in finding.next[0]


def test_a_limit_lowered_below_what_is_open_is_critical_too(fds):
    assert fds(replace(HEALTHY, open=120, soft_limit=64)).status is Status.CRITICAL


def test_sockets_whose_peers_hung_up_are_a_leak_not_a_low_limit(fds):
    finding = fds(replace(HEALTHY, open=1000, sockets=990, close_wait=600))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "sockets-not-closed")


def test_mostly_files_are_a_leak_of_files(fds):
    finding = fds(replace(HEALTHY, open=1000, sockets=200, files=780, others=20))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "files-not-closed")


def test_a_full_machine_comes_before_the_process(fds):
    finding = fds(replace(HEALTHY, host_open=1_900_000))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "machine-limit")
    assert "95 %" in finding.sentence


def test_kinds_that_a_stranger_may_not_read_leave_the_plain_cause(fds):
    finding = fds(replace(HEALTHY, open=1024, sockets=None, files=None, others=None, close_wait=None))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "limit-too-low")


def test_without_a_readable_limit_it_is_unknown_never_ok(fds):
    assert fds(replace(HEALTHY, open=5, soft_limit=None)).status is Status.UNKNOWN


@given(evidence)
def test_every_red_finding_names_a_declared_cause(fds, declared_causes, some):
    finding = fds(some)
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(evidence, st.integers(min_value=0, max_value=5000))
def test_one_more_open_descriptor_never_makes_it_better(fds, some, more):
    assert RANK[fds(some).status] <= RANK[fds(replace(some, open=some.open + more)).status]


@given(evidence, st.integers(min_value=0, max_value=5000))
def test_a_higher_soft_limit_never_makes_it_worse(fds, some, more):
    assert RANK[fds(replace(some, soft_limit=some.soft_limit + more)).status] <= RANK[fds(some).status]


def test_the_judge_reads_this_very_process(fds):
    finding = fds(FileDescriptors.sources[0].read(Endpoint("me", pid=os.getpid())))
    assert finding.status in RANK
