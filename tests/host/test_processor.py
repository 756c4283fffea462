"""Quotas, throttled periods and the use of processor time are read from small trees of /proc and /sys."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import processor, threads
from plumbline.host.processor import ProcessorTime, read

V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
V1_TOGETHER = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
SECOND = 1_000_000_000


class Machine:
    """A folder that stands for `/`, and whose files change while somebody waits."""

    def __init__(self, root: Path, mounts: str) -> None:
        self.root = root
        self.later: list[Callable[[], None]] = []
        self.write("proc/self/mountinfo", "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)
        self.write("proc/self/cgroup", "0::/\n")
        self.write("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
        self.write("proc/pressure/cpu", "some avg10=12.50 avg60=1.0 avg300=0.1 total=1\nfull avg10=0.00 total=0\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, pid: int, membership: str, *, ran: int = 0, waited: int = 0, state: str = "S") -> None:
        self.write(f"proc/{pid}/cgroup", membership)
        self.write(f"proc/{pid}/comm", "api\n")
        self.thread(pid, pid, ran=ran, waited=waited, state=state)

    def thread(self, pid: int, tid: int, *, ran: int = 0, waited: int = 0, state: str = "S") -> None:
        self.write(f"proc/{pid}/task/{tid}/stat", f"{tid} (a (b) c) {state} 1 2 3\n")
        self.write(f"proc/{pid}/task/{tid}/schedstat", f"{ran} {waited} 7\n")

    def v2(
        self, path: str, quota: str, *, periods: int = 0, throttled: int = 0, lost_us: int = 0, used: int = 0
    ) -> None:
        folder = f"sys/fs/cgroup{path}"
        self.write(f"{folder}/cpu.max", f"{quota} 100000\n")
        stat = f"usage_usec {used}\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {lost_us}\n"
        self.write(f"{folder}/cpu.stat", stat)
        self.write(f"{folder}/cgroup.procs", "42\n")

    def v1(self, mount: str, path: str, quota: int, *, periods: int = 0, throttled: int = 0, lost_ns: int = 0) -> None:
        folder = f"sys/fs/cgroup/{mount}{path}"
        self.write(f"{folder}/cpu.cfs_quota_us", f"{quota}\n")
        self.write(f"{folder}/cpu.cfs_period_us", "100000\n")
        self.write(f"{folder}/cpu.stat", f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time {lost_ns}\n")
        self.write(f"{folder}/cgroup.procs", "42\n")

    def pause(self, _seconds: float) -> None:
        if self.later:
            self.later.pop(0)()

    def read(self, pid: int | str | None = 42, group: str | None = None) -> ProcessorTime:
        return read(pid, group, self.root, self.pause)


def test_a_version_2_quota_is_read_with_what_it_cut_off_in_the_window(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2)
    machine.process(42, "0::/pod/api\n")
    machine.v2("/pod", "max")
    machine.v2("/pod/api", "50000", periods=100, throttled=10, lost_us=5_000, used=1_000_000)

    def second_later() -> None:
        machine.v2("/pod/api", "50000", periods=110, throttled=19, lost_us=905_000, used=1_500_000)
        machine.write("proc/stat", "cpu  150 0 100 840 0 0 0 10 0 0\n")
        machine.thread(42, 42, ran=SECOND // 2, state="R")

    machine.later = [second_later]
    seen = machine.read()
    assert (seen.group, seen.cgroup_version, seen.quota_cores, seen.period_s) == ("/pod/api", 2, 0.5, 0.1)
    assert (seen.periods, seen.throttled, seen.throttled_share) == (10, 9, 0.9)
    assert seen.throttled_s == pytest.approx(0.9)
    assert seen.used_cores == pytest.approx(0.5)
    assert (seen.threads, seen.wanting, seen.busiest_core) == (1, 1, 0.5)
    assert (seen.host_busy, seen.host_steal, seen.host_pressure) == (0.6, 0.1, 0.125)
    assert seen.subject == "api (process 42)"


def test_a_version_1_quota_counts_nanoseconds_and_the_threads_say_what_was_used(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V1)
    machine.process(42, "1:cpu:/api\n0::/\n")
    machine.v1("cpu", "/api", 200_000, periods=5, throttled=1)

    def second_later() -> None:
        machine.v1("cpu", "/api", 200_000, periods=15, throttled=6, lost_ns=3 * SECOND)
        machine.thread(42, 42, ran=SECOND // 4, waited=SECOND // 2)
        machine.thread(42, 43, ran=9 * SECOND)  # began meanwhile: nobody knows since when

    machine.later = [second_later]
    seen = machine.read()
    assert (seen.cgroup_version, seen.quota_cores, seen.throttled_share, seen.throttled_s) == (1, 2.0, 0.5, 3.0)
    assert (seen.used_cores, seen.waiting_cores, seen.threads) == (0.25, 0.5, 2)


def test_where_both_version_1_controllers_share_a_folder_its_counter_says_what_was_used(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V1_TOGETHER)
    machine.process(42, "1:cpu,cpuacct:/api\n")
    machine.v1("cpu,cpuacct", "/api", 100_000)
    machine.write("sys/fs/cgroup/cpu,cpuacct/api/cpuacct.usage", "0\n")
    machine.later = [lambda: machine.write("sys/fs/cgroup/cpu,cpuacct/api/cpuacct.usage", f"{SECOND}\n")]
    assert machine.read().used_cores == pytest.approx(1.0)


def test_without_a_quota_the_process_alone_is_watched(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V1)
    machine.process(42, "1:cpu:/\n")
    machine.v1("cpu", "/", -1)
    machine.later = [lambda: machine.thread(42, 42, ran=SECOND, state="R")]
    seen = machine.read()
    assert (seen.quota_cores, seen.group, seen.throttled_share, seen.busiest_core) == (None, "", 0.0, 1.0)


def test_the_quota_of_an_outer_group_that_cuts_off_is_the_one_that_binds(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2)
    machine.process(42, "0::/pod/api\n")
    machine.v2("/pod", "200000")
    machine.v2("/pod/api", "100000")
    machine.later = [lambda: machine.v2("/pod", "200000", periods=10, throttled=5)]
    assert machine.read().group == "/pod"


def test_of_quotas_that_cut_nothing_off_the_smallest_is_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2)
    machine.process(42, "0::/pod/api\n")
    machine.v2("/pod", "100000")
    machine.v2("/pod/api", "200000")
    assert machine.read().group == "/pod"


def test_a_group_is_read_by_its_name_and_an_unknown_one_is_unreachable(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2)
    machine.process(42, "0::/api\n")
    machine.v2("/api", "50000")
    seen = machine.read(None, "/sys/fs/cgroup/api")
    assert (seen.subject, seen.quota_cores, seen.threads) == ("control group", 0.5, 1)
    with pytest.raises(UnavailableError, match="no cpu control group /nowhere"):
        machine.read(None, "/nowhere")


def test_a_machine_without_the_controller_or_pressure_has_no_quota(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "")
    machine.process(42, "0::/\n")
    (tmp_path / "proc/pressure/cpu").unlink()
    seen = machine.read()
    assert (seen.quota_cores, seen.host_pressure) == (None, None)
    assert machine.read("self").subject == "this machine"


def test_a_process_that_has_ended_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="process 7 has ended") as error:
        Machine(tmp_path, V2).read(7)
    assert error.value.reason == "unreachable"


def test_files_that_may_not_be_read_are_a_permission_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/proc/42/cgroup")

    monkeypatch.setattr(processor, "_place", refuse)
    with pytest.raises(UnavailableError, match="/proc/42/cgroup may not be read"):
        Machine(tmp_path, V2).read()


def test_members_that_may_not_be_listed_leave_the_process_itself(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2)
    machine.process(42, "0::/api\n")
    machine.v2("/api", "50000")
    (tmp_path / "sys/fs/cgroup/api/cgroup.procs").unlink()
    assert machine.read().threads == 1


def test_another_platform_says_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as error:
        read(1)
    assert error.value.reason == "unsupported_platform"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_process_is_seen_computing_and_a_lost_one_is_not_judged_by_the_machine() -> None:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    busy = threading.Thread(target=compute)
    busy.start()
    try:
        seen = ProcessorTime.sources[0].read(Endpoint("here", pid=os.getpid()))
    finally:
        stop.set()
        busy.join()
    assert 0 < seen.busiest_core <= 1.1
    assert seen.busiest_core <= (seen.used_cores or 0) + 0.01
    assert seen.cpus >= 1
    assert seen.threads >= 2
    with pytest.raises(UnavailableError, match="is gone"):
        ProcessorTime.sources[2].read(Endpoint("lab", pid=1))
    with pytest.raises(UnavailableError):
        ProcessorTime.sources[1].read(Endpoint("lab", cgroup="/no/such/group"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_machine_is_read_without_a_target() -> None:
    assert 0 <= ProcessorTime.sources[2].read(Endpoint("here")).host_busy <= 1


@given(
    before=st.dictionaries(st.integers(1, 5), st.tuples(st.floats(0, 100), st.floats(0, 100))),
    more=st.dictionaries(st.integers(1, 5), st.tuples(st.floats(0, 2), st.floats(0, 2))),
)
def test_the_busiest_thread_never_used_more_than_all_together(
    before: dict[int, tuple[float, float]], more: dict[int, tuple[float, float]]
) -> None:
    first = {(1, key): threads.Thread(ran, waited, False) for key, (ran, waited) in before.items()}
    last = {(1, key): threads.Thread(ran + 1, waited + 1, True) for key, (ran, waited) in more.items()}
    use = threads.use(first, last, 1.0)
    assert 0 <= use.busiest <= use.all + 1e-9
    assert use.waiting >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thread_that_ended_is_left_out() -> None:
    found = threads.of_processes([os.getpid(), 1 << 30])
    assert {pid for pid, _ in found} == {os.getpid()}
