"""`host.cpu-throttled`: cut-off periods count; a busy host, stolen time and a full core are named, and are not it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.processor import ProcessorTime

ID = "host.cpu-throttled"
FREE = ProcessorTime(
    subject="api (process 42)", window_s=1.0, group="", cgroup_version=0, quota_cores=None, period_s=None, periods=0,
    throttled=0, throttled_s=0.0, used_cores=0.2, threads=8, wanting=1, busiest_core=0.2, waiting_cores=0.0, cpus=8,
    host_busy=0.3, host_steal=0.0, host_pressure=0.01,
)  # fmt: skip
LIMITED = replace(FREE, group="/api", cgroup_version=2, quota_cores=2.0, period_s=0.1, periods=10)
SHORT = replace(LIMITED, throttled=8, throttled_s=0.5, used_cores=2.0, wanting=3)


@pytest.fixture(scope="module")
def cpu(judge):
    return judge(ID)


def test_no_quota_is_ok_and_so_is_one_with_room(cpu):
    assert cpu(FREE).status is Status.OK
    finding = cpu(LIMITED)
    assert finding.status is Status.OK
    assert "0 % of the periods were cut off by the quota of 2 cores" in finding.sentence


def test_most_periods_cut_off_at_full_use_is_a_quota_that_is_too_small(cpu):
    finding = cpu(SHORT)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "quota-too-small")
    assert "80 % of the periods" in finding.sentence


def test_many_threads_that_use_little_on_average_are_too_many(cpu):
    finding = cpu(replace(SHORT, used_cores=1.0, wanting=16))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "too-many-threads")
    assert "GOMAXPROCS" in finding.next[0]


def test_one_thread_in_bursts_is_not_too_many(cpu):
    single = replace(SHORT, quota_cores=0.5, used_cores=0.2, wanting=1)
    assert cpu(single).cause == "quota-too-small"


def test_a_kernel_that_does_not_say_what_was_used_leaves_the_quota(cpu):
    assert cpu(replace(SHORT, used_cores=None, wanting=16)).cause == "quota-too-small"


def test_a_quarter_of_the_periods_is_a_warning_and_less_is_ok(cpu, load):
    edge = int(load(ID).OFTEN.value * 100)
    some = replace(SHORT, periods=100, throttled=edge)
    assert cpu(some).status is Status.WARNING
    assert cpu(replace(some, throttled=edge - 1)).status is Status.OK


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"host_busy": 0.99, "waiting_cores": 3.0}, "the host is busy, 3 threads"),
        ({"host_steal": 0.4, "host_busy": 0.99}, "the hypervisor gives"),
        ({"busiest_core": 0.99, "used_cores": 0.99}, "fills a core"),
    ],
)
@pytest.mark.parametrize("base", [FREE, LIMITED])
def test_what_else_slows_a_service_down_is_named_and_ok(cpu, base, seen, words):
    finding = cpu(replace(base, **seen))
    assert finding.status is Status.OK
    assert words in finding.sentence


def test_every_cause_is_declared_in_the_record(cpu, declared_causes):
    assert {cpu(SHORT).cause, cpu(replace(SHORT, used_cores=1.0, wanting=16)).cause} == declared_causes(ID)


@given(
    periods=st.integers(0, 100), throttled=st.integers(0, 100), used=st.none() | st.floats(0, 64),
    wanting=st.integers(0, 500), busy=st.floats(0, 1), quota=st.none() | st.floats(0.01, 64),
)  # fmt: skip
def test_it_is_never_red_without_a_cut_off_period(cpu, periods, throttled, used, wanting, busy, quota):
    seen = replace(
        LIMITED, periods=periods, throttled=min(periods, throttled), used_cores=used, wanting=wanting, host_busy=busy,
        quota_cores=quota,
    )  # fmt: skip
    finding = cpu(seen)
    assert not (finding.status.red and (quota is None or not seen.throttled))
    assert any(letter.isdigit() for letter in finding.sentence)
