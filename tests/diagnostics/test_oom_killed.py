"""`host.oom-killed`: a kill counts under the limit that is in force, and nobody else's kill counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.kernel_log import OomKill
from plumbline.host.memory import MemoryLimit, OomKills

ID = "host.oom-killed"
MIB = 1 << 20
GIB = 1 << 30
QUIET_LOG = OomKills(log_read=True, watched_s=0.0, kills_watched=0, recent=())
HEALTHY = MemoryLimit(
    subject="python (process 42)",
    group="/system.slice/gateway.service",
    cgroup_version=2,
    limit_bytes=512 * MIB,
    usage_bytes=130 * MIB,
    working_set_bytes=128 * MIB,
    peak_bytes=200 * MIB,
    kills=0,
    limit_hits=0,
    swap_bytes=0,
    process_age_s=3600.0,
    resident_bytes=120 * MIB,
    host_total_bytes=8 * GIB,
    host_available_bytes=4 * GIB,
    host_swap_total_bytes=0,
    host_swap_free_bytes=0,
)
UNLIMITED = replace(
    HEALTHY, group="", cgroup_version=0, limit_bytes=None, usage_bytes=None, working_set_bytes=None, peak_bytes=None
)
KILLED = replace(HEALTHY, kills=3, limit_hits=40, peak_bytes=512 * MIB, process_age_s=20.0)


def kill(ago_s=60.0, *, host_wide=False, group=HEALTHY.group, limit=512 * MIB):
    return OomKill(
        ago_s=ago_s,
        host_wide=host_wide,
        group="" if host_wide else group,
        victim_group=group,
        victim="python",
        limit_bytes=None if host_wide else limit,
    )


def log(*kills):
    return replace(QUIET_LOG, recent=kills)


@pytest.fixture(scope="module")
def oom(judge):
    return judge(ID)


def test_a_service_with_room_is_ok(oom):
    finding = oom(HEALTHY, QUIET_LOG)
    assert finding.status is Status.OK
    assert "25 % of the limit" in finding.sentence or "25 % of 512" in finding.sentence


def test_an_idle_machine_without_a_limit_is_ok(oom):
    assert oom(UNLIMITED, QUIET_LOG).status is Status.OK
    assert oom(UNLIMITED, None).status is Status.OK


def test_kills_at_the_limit_in_force_are_critical(oom):
    finding = oom(KILLED, None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "limit-reached")
    assert finding.sentence.startswith("3 kills at the limit of 512.0 MiB")


def test_a_group_that_was_made_anew_by_the_supervisor_is_known_from_the_kernels_log(oom):
    reborn = replace(HEALTHY, peak_bytes=40 * MIB, process_age_s=2.0)
    finding = oom(reborn, log(kill(5.0), kill(65.0)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "limit-reached")
    assert finding.sentence.startswith("2 kills")


def test_a_kernel_without_a_peak_counts_the_kills(oom):
    assert oom(replace(KILLED, peak_bytes=None), None).status is Status.CRITICAL


def test_a_limit_that_was_raised_is_ok_and_the_old_kills_are_named(oom):
    raised = replace(KILLED, limit_bytes=2 * GIB)
    finding = oom(raised, log(kill(5.0)))
    assert finding.status is Status.OK
    assert "3 killed before" in finding.sentence
    assert "512.0 MiB" in finding.sentence


def test_old_kills_under_a_process_that_lives_since_are_a_warning(oom):
    finding = oom(replace(KILLED, process_age_s=40_000.0), QUIET_LOG)
    assert (finding.status, finding.cause) == (Status.WARNING, "limit-reached")


def test_a_process_that_the_host_killed_is_not_blamed_on_the_limit(oom):
    by_host = replace(HEALTHY, kills=1, limit_hits=0, process_age_s=20.0, peak_bytes=512 * MIB)
    finding = oom(by_host, log(kill(30.0, host_wide=True)))
    assert (finding.status, finding.cause) == (Status.WARNING, "host-exhausted")


@pytest.mark.parametrize("memory", [HEALTHY, UNLIMITED])
def test_recent_kills_of_other_groups_are_their_own_trouble(oom, memory):
    assert oom(memory, log(kill(1.0, group="/user.slice/browser"))).status is Status.OK


@pytest.mark.parametrize("memory", [HEALTHY, UNLIMITED])
def test_kills_of_the_host_an_hour_ago_are_history(oom, memory):
    assert oom(memory, log(kill(3600.0, host_wide=True))).status is Status.OK


@pytest.mark.parametrize("memory", [HEALTHY, UNLIMITED])
def test_a_host_that_ran_out_ten_minutes_ago_is_a_warning(oom, memory):
    finding = oom(memory, log(kill(600.0, host_wide=True)))
    assert (finding.status, finding.cause) == (Status.WARNING, "host-exhausted")
    assert "1 kill" in finding.sentence


def test_a_host_with_little_left_is_a_warning(oom):
    finding = oom(replace(UNLIMITED, host_available_bytes=700 * MIB), QUIET_LOG)
    assert (finding.status, finding.cause) == (Status.WARNING, "host-exhausted")


def test_unexplained_kills_count_only_where_the_host_is_low(oom):
    closed = OomKills(log_read=False, watched_s=1.0, kills_watched=2, recent=())
    assert oom(UNLIMITED, closed).status is Status.OK
    low = oom(replace(UNLIMITED, host_available_bytes=100 * MIB), closed)
    assert "2 kills" in low.sentence


def test_nine_tenths_of_the_limit_is_a_warning_and_just_below_is_ok(oom, load):
    edge = load(ID).NEAR_LIMIT.value * 1000 * MIB
    near = replace(HEALTHY, limit_bytes=1000 * MIB, working_set_bytes=int(edge))
    assert (oom(near, None).status, oom(near, None).cause) == (Status.WARNING, "near-limit")
    assert oom(replace(near, working_set_bytes=int(edge) - 1), None).status is Status.OK


def test_a_peak_just_below_the_limit_with_no_kill_is_ok(oom):
    assert oom(replace(HEALTHY, peak_bytes=512 * MIB, limit_hits=9), QUIET_LOG).status is Status.OK


def test_every_cause_is_declared_in_the_record(oom, declared_causes):
    causes = {
        oom(KILLED, None).cause,
        oom(replace(HEALTHY, working_set_bytes=511 * MIB), None).cause,
        oom(replace(UNLIMITED, host_available_bytes=0), None).cause,
    }
    assert causes <= declared_causes(ID)


memories = st.builds(
    replace,
    st.just(HEALTHY),
    limit_bytes=st.none() | st.integers(MIB, 8 * GIB),
    working_set_bytes=st.integers(0, 8 * GIB),
    peak_bytes=st.none() | st.integers(0, 8 * GIB),
    kills=st.integers(0, 100),
    limit_hits=st.integers(0, 100),
    process_age_s=st.none() | st.floats(0, 1e7),
    host_available_bytes=st.integers(0, 8 * GIB),
)
logs = st.none() | st.lists(
    st.builds(kill, st.floats(0, 1e5), host_wide=st.booleans(), group=st.sampled_from([HEALTHY.group, "/other"])),
    max_size=5,
).map(lambda kills: log(*kills))


@given(memory=memories, kills=logs)
def test_without_a_kill_it_is_never_critical(oom, memory, kills):
    innocent = log(*[one for one in kills.recent if one.group != memory.group]) if kills else None
    assert oom(replace(memory, kills=0), innocent).status is not Status.CRITICAL


@given(memory=memories, kills=logs, more=st.integers(2, 1000))
def test_raising_the_limit_beyond_all_that_was_used_clears_the_groups_part(oom, memory, kills, more):
    ceiling = more * max(memory.working_set_bytes, memory.peak_bytes or 0, memory.limit_bytes or 0, GIB)
    raised = replace(memory, limit_bytes=ceiling, peak_bytes=memory.peak_bytes or 0)
    assert oom(raised, kills).cause in (None, "host-exhausted")


@given(memory=memories, kills=logs)
def test_the_sentence_carries_a_number_and_red_names_its_cause(oom, memory, kills):
    finding = oom(memory, kills)
    assert any(letter.isdigit() for letter in finding.sentence)
    assert finding.status.red == (finding.cause is not None)
