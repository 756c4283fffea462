"""`streaming.message-too-large`: who refused, how large, how often, and whether it would happen again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_refusals import RefusedMessage, RefusedMessages

ID = "streaming.message-too-large"
KIB = 1 << 10


def refused(size=4 * KIB, *, by="server", ago=1.0, peer="10.0.0.1"):
    return RefusedMessage(by, ago, age_s=0.1, size_bytes=size, peer=peer)


def messages(*found, limit=KIB):
    return RefusedMessages(limit, found)


@pytest.fixture(scope="module")
def large(judge):
    return judge(ID)


def test_no_refusals_are_ok(large):
    finding = large(messages())
    assert finding.status is Status.OK
    assert finding.sentence.startswith("0 messages refused with code 1009 in the last 60 s")


def test_one_refusal_is_an_accident(large):
    assert large(messages(refused())).status is Status.OK


def test_refusals_of_several_sizes_are_a_limit_that_is_too_low(large):
    finding = large(messages(refused(3000), refused(4000), refused(6000)))
    assert (finding.status, finding.cause) == (Status.WARNING, "limit-too-low")
    assert "3 messages refused" in finding.sentence
    assert "the largest 5.9 KiB (limit 1.0 KiB)" in finding.sentence


def test_one_size_from_several_addresses_is_a_limit_that_is_too_low(large):
    assert large(messages(*(refused(peer=f"10.0.0.{n}") for n in range(4)))).cause == "limit-too-low"


def test_one_size_from_one_address_is_one_sender_in_a_loop(large):
    finding = large(messages(*(refused(4096 + n) for n in range(12))))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "one-sender")


def test_closes_by_the_peer_are_the_readers_limit(large):
    assert large(messages(*(refused(None, by="peer") for _ in range(3)))).cause == "readers-refuse"


def test_what_would_pass_now_is_history(large):
    found = [refused(4096) for _ in range(20)]
    assert large(messages(*found, limit=64 * KIB)).status is Status.OK


def test_old_refusals_are_history(large):
    assert large(messages(*(refused(ago=61.0) for _ in range(20)))).status is Status.OK


def test_metrics_alone_count(large):
    assert large(RefusedMessages(counted=0, window_s=2.0)).status is Status.OK
    finding = large(RefusedMessages(counted=5, window_s=2.0))
    assert (finding.status, finding.cause) == (Status.WARNING, "limit-too-low")
    assert "5 messages refused with code 1009 in the last 2 s" in finding.sentence


def test_from_a_url_the_limit_is_known_but_not_who_meets_it(large):
    finding = large(RefusedMessages(taken_bytes=64 * KIB, too_large_bytes=128 * KIB))
    assert finding.status is Status.UNKNOWN
    assert finding.sentence.startswith("Messages of 64.0 KiB are let in, 128.0 KiB are refused;")
    assert "no limit was found up to 64 MiB" in large(RefusedMessages(taken_bytes=64 << 20)).sentence
    assert "less than 1 KiB" in large(RefusedMessages(too_large_bytes=KIB)).sentence


some = st.lists(
    st.builds(
        refused,
        size=st.none() | st.integers(1, 1 << 24),
        by=st.sampled_from(["server", "peer"]),
        ago=st.floats(0, 120),
        peer=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    ),
    max_size=30,
)


@given(some)
def test_every_red_finding_names_a_declared_cause(large, declared_causes, found):
    finding = large(messages(*found))
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(some, st.integers(1, 1 << 20))
def test_a_higher_limit_never_makes_it_worse(large, found, more):
    rank = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}
    low = messages(*found)
    assert rank[large(replace(low, limit_bytes=KIB + more)).status] <= rank[large(low).status]
