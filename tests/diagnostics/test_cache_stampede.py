"""`streaming.cache-stampede`: a cache's own counters first, bursts towards an upstream else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_cluster import CacheLoads, KeyLoads, UpstreamBurst

ID = "streaming.cache-stampede"
HEALTHY = CacheLoads(True, hits=900, misses=10, loads=10, most_at_once=1, jitter=0.1, keys=(KeyLoads("hot", 0, 1),))


def outside(*rows):
    return CacheLoads(None, upstreams=tuple(UpstreamBurst(*row) for row in rows))


def test_a_protected_cache_is_ok_whatever_happened_before(judge):
    assert judge(ID)(HEALTHY).status is Status.OK
    assert judge(ID)(replace(HEALTHY, most_at_once=300)).status is Status.OK


@pytest.mark.parametrize(
    ("evidence", "cause", "status"),
    [
        (replace(HEALTHY, protection=False, most_at_once=40), "no-protection", Status.CRITICAL),
        (replace(HEALTHY, loading=80, jitter=0.0), "keys-expire-together", Status.WARNING),
        (outside(("10.0.0.3:5432", 80, 3.0)), "loads-in-bursts", Status.WARNING),
        (outside(("10.0.0.3:5432", 30, 0.0)), "loads-in-bursts", Status.WARNING),
    ],
)
def test_each_cause_is_told_by_its_evidence(judge, declared_causes, evidence, cause, status):
    finding = judge(ID)(evidence)
    assert (finding.status, finding.cause) == (status, cause)
    assert cause in declared_causes(ID)


def test_many_keys_at_once_are_fine_if_their_expiries_are_spread(judge):
    assert judge(ID)(replace(HEALTHY, loading=80)).status is Status.OK


def test_without_protection_but_without_a_herd_it_is_ok(judge):
    assert judge(ID)(replace(HEALTHY, protection=False, most_at_once=2)).status is Status.OK


def test_a_steady_pool_is_no_burst_and_the_worst_upstream_decides(judge):
    assert judge(ID)(outside(("10.0.0.3:5432", 80, 70.0), ("10.0.0.4:6379", 8, 1.0))).status is Status.OK
    assert "10.0.0.4:6379" in judge(ID)(outside(("10.0.0.3:5432", 80, 70.0), ("10.0.0.4:6379", 20, 1.0))).sentence


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_larger_herd_is_never_better(judge, herd, more):
    small, large = (judge(ID)(replace(HEALTHY, protection=False, most_at_once=count)) for count in (herd, herd + more))
    assert large.status.red or not small.status.red
