"""`streaming.memory-growth`: growth towards no bound, and not of connections, queues or a cache that fills."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.memory import MemoryLimit
from plumbline.streaming.evidence_memory import Compression, MemoryGrowth

ID = "streaming.memory-growth"
MIB, GIB = 1 << 20, 1 << 30
ROOM = MemoryLimit("process 7", "", 0, None, None, None, None, 0, 0, None, 600.0, 60 * MIB, 16 * GIB, 8 * GIB, 0, 0)


def growth(grown=0, *, seconds=2.0, steady=True, error=1000.0, clients=0, queued=0, history=0, limit=GIB << 10):
    return MemoryGrowth(
        seconds, 90 * MIB, grown, grown / seconds, error, steady, 100, clients, queued, 50 * MIB, history, limit
    )


@pytest.fixture(scope="module")
def grows(judge):
    return judge(ID)


def test_level_memory_is_ok(grows):
    finding = grows(growth(MIB), ROOM, None)
    assert finding.status is Status.OK
    assert finding.sentence.startswith("Private memory grew by 1.0 MiB in 2 s (limit 4.0 MiB), 30.0 MiB a minute")


def test_kept_messages_without_a_bound_that_fits_are_red(grows):
    finding = grows(growth(16 * MIB, history=15 * MIB), ROOM, None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "channels-without-end")
    assert "15.0 MiB of kept messages" in finding.sentence


def test_kept_messages_whose_bound_fits_level_off(grows):
    assert grows(growth(16 * MIB, history=15 * MIB, limit=128 * MIB), ROOM, None).status is Status.OK


def test_what_nothing_explains_is_a_leak(grows):
    assert grows(growth(16 * MIB), ROOM, None).cause == "leak"


def test_slower_growth_is_a_warning_and_what_lasts_for_days_is_ok(grows):
    assert grows(growth(8 * MIB, seconds=20.0), ROOM, None).status is Status.WARNING
    assert grows(growth(5 * MIB, seconds=60.0), ROOM, None).status is Status.OK


def test_a_small_limit_ends_it_sooner(grows):
    tight = replace(ROOM, limit_bytes=160 * MIB, working_set_bytes=150 * MIB)
    assert grows(growth(8 * MIB, seconds=20.0), tight, None).status is Status.CRITICAL


def test_a_step_is_no_growth(grows):
    assert grows(growth(32 * MIB, steady=False), ROOM, None).status is Status.OK
    assert grows(growth(32 * MIB, error=1e9), ROOM, None).status is Status.OK


def test_a_start_is_no_growth(grows):
    assert "just started" in grows(growth(32 * MIB), replace(ROOM, process_age_s=3.0), None).sentence


def test_queues_are_a_slow_consumers(grows):
    finding = grows(growth(16 * MIB, queued=12 * MIB), ROOM, None)
    assert finding.status is Status.OK
    assert "slow consumer" in finding.sentence


def test_clients_that_come_explain_growth_unless_each_brings_a_compressor(grows):
    more = growth(16 * MIB, clients=50)
    assert grows(more, ROOM, Compression(agreed=False, keeps_context=False)).status is Status.OK
    assert grows(more, ROOM, Compression(agreed=True, keeps_context=True)).cause == "compression-contexts"
    assert grows(growth(16 * MIB, clients=1), ROOM, None).cause == "leak"


@given(
    st.integers(0, GIB),
    st.floats(2, 60),
    st.integers(-500, 500),
    st.integers(0, GIB),
    st.integers(0, GIB),
    st.none() | st.builds(Compression, st.booleans(), st.booleans()),
    st.sampled_from([ROOM, None]),
)
def test_every_red_finding_names_a_declared_cause(
    grows, declared_causes, grown, seconds, clients, queued, history, compression, room
):
    seen = growth(grown, seconds=seconds, clients=clients, queued=queued, history=history)
    finding = grows(seen, room, compression)
    assert finding.cause is None or finding.cause in declared_causes(ID)
