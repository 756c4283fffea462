"""A process's memory limit is read from small trees of /proc and /sys, as real kernels write them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import cgroups, memory
from plumbline.host.memory import MemoryLimit, OomKills, read_group, read_kills, read_limit

MIB = 1 << 20
V1_MOUNTS = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2_MOUNTS = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


class Machine:
    """A folder that stands for `/`."""

    def __init__(self, root: Path, mounts: str) -> None:
        self.root = root
        self.write("proc/self/mountinfo", "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)
        self.write("proc/self/cgroup", "0::/\n")
        self.write("proc/uptime", "1000.00 2000.00\n")
        self.write("proc/vmstat", "pgfault 7\noom_kill 3\n")
        meminfo = "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\nSwapTotal: 1024 kB\nSwapFree: 512 kB\nHugePages: 0\n"
        self.write("proc/meminfo", meminfo)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, pid: int, membership: str, *, started_s: float = 900.0, name: str = "python") -> None:
        ticks = int(started_s * os.sysconf("SC_CLK_TCK"))
        self.write(f"proc/{pid}/cgroup", membership)
        self.write(f"proc/{pid}/stat", f"{pid} ({name}) S 1 {' '.join(['0'] * 17)} {ticks} 0 0\n")
        self.write(f"proc/{pid}/statm", "9999 256 10 1 0 300 0\n")

    def v2(self, path: str, *, limit: str, usage: int, kills: int = 0, peak: int | None = None, cache: int = 0) -> None:
        folder = f"sys/fs/cgroup{path}"
        self.write(f"{folder}/memory.max", f"{limit}\n")
        self.write(f"{folder}/memory.current", f"{usage}\n")
        self.write(f"{folder}/memory.stat", f"anon 1\ninactive_file {cache}\n")
        self.write(f"{folder}/memory.events", f"low 0\nhigh 0\nmax 12\noom 2\noom_kill {kills}\n")
        self.write(f"{folder}/memory.swap.current", "0\n")
        self.write(f"{folder}/cgroup.procs", "")
        if peak is not None:
            self.write(f"{folder}/memory.peak", f"{peak}\n")

    def v1(self, path: str, *, limit: int, usage: int, kills: int = 0, cache: int = 0) -> None:
        folder = f"sys/fs/cgroup/memory{path}"
        self.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{folder}/memory.usage_in_bytes", f"{usage}\n")
        self.write(f"{folder}/memory.max_usage_in_bytes", f"{usage}\n")
        self.write(f"{folder}/memory.failcnt", "5\n")
        self.write(f"{folder}/memory.stat", f"cache 9\ntotal_inactive_file {cache}\ntotal_swap 4096\n")
        self.write(f"{folder}/memory.oom_control", f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")


@pytest.fixture
def v2(tmp_path: Path) -> Machine:
    return Machine(tmp_path, V2_MOUNTS)


@pytest.fixture
def v1(tmp_path: Path) -> Machine:
    return Machine(tmp_path, V1_MOUNTS)


def test_a_process_in_a_version_2_group_is_read_with_limit_peak_and_kills(v2: Machine) -> None:
    v2.process(42, "0::/system.slice/gateway.service\n")
    v2.v2("/system.slice", limit="max", usage=900 * MIB)
    v2.v2("/system.slice/gateway.service", limit=str(64 * MIB), usage=50 * MIB, kills=3, peak=64 * MIB, cache=10 * MIB)
    seen = read_limit(42, v2.root)
    assert (seen.group, seen.cgroup_version, seen.limit_bytes) == ("/system.slice/gateway.service", 2, 64 * MIB)
    assert (seen.usage_bytes, seen.working_set_bytes, seen.peak_bytes) == (50 * MIB, 40 * MIB, 64 * MIB)
    assert (seen.kills, seen.limit_hits, seen.swap_bytes) == (3, 12, 0)
    assert seen.process_age_s == pytest.approx(100.0)
    assert seen.subject == "python (process 42)"
    assert seen.resident_bytes == 256 * os.sysconf("SC_PAGE_SIZE")
    assert (seen.host_total_bytes, seen.host_available_bytes) == (2048 * MIB, 1024 * MIB)
    assert (seen.host_swap_total_bytes, seen.host_swap_free_bytes) == (MIB, MIB // 2)


def test_a_process_in_a_version_1_group_is_read_from_the_memory_hierarchy(v1: Machine) -> None:
    v1.process(42, "9:name=systemd:/x\n4:memory:/docker/abc\n0::/\n")
    v1.v1("/docker/abc", limit=64 * MIB, usage=60 * MIB, kills=2, cache=MIB)
    v1.v1("/docker", limit=9223372036854771712, usage=60 * MIB)
    seen = read_limit(42, v1.root)
    assert (seen.cgroup_version, seen.limit_bytes, seen.working_set_bytes) == (1, 64 * MIB, 59 * MIB)
    assert (seen.kills, seen.limit_hits, seen.peak_bytes, seen.swap_bytes) == (2, 5, 60 * MIB, 4096)


def test_the_unlimited_number_of_version_1_is_no_limit(v1: Machine) -> None:
    v1.process(42, "4:memory:/\n")
    v1.v1("", limit=9223372036854771712, usage=60 * MIB, kills=7)
    seen = read_limit(42, v1.root)
    assert (seen.limit_bytes, seen.group, seen.kills) == (None, "", 0)


def test_a_limit_above_the_machines_memory_limits_nothing(v2: Machine) -> None:
    v2.process(42, "0::/a\n")
    v2.v2("/a", limit=str(4096 * MIB), usage=MIB)
    assert read_limit(42, v2.root).limit_bytes is None


def test_the_smallest_limit_of_all_groups_around_a_process_binds(v2: Machine) -> None:
    v2.process(42, "0::/pod/container\n")
    v2.v2("/pod", limit=str(32 * MIB), usage=MIB)
    v2.v2("/pod/container", limit=str(64 * MIB), usage=MIB)
    assert read_limit(42, v2.root).group == "/pod"


def test_of_equal_limits_the_outer_group_counts_because_it_outlives_the_restart(v2: Machine) -> None:
    v2.process(42, "0::/pod/second-container\n")
    v2.v2("/pod", limit=str(64 * MIB), usage=MIB, kills=4)
    v2.v2("/pod/second-container", limit=str(64 * MIB), usage=MIB, kills=0)
    seen = read_limit(42, v2.root)
    assert (seen.group, seen.kills) == ("/pod", 4)


def test_without_a_memory_controller_the_host_is_all_there_is(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "")
    machine.process(42, "0::/\n")
    seen = read_limit(42, tmp_path)
    assert (seen.cgroup_version, seen.limit_bytes, seen.host_total_bytes) == (0, None, 2048 * MIB)


def test_a_kernel_without_memory_peak_leaves_the_peak_open(v2: Machine) -> None:
    v2.process(42, "0::/a\n")
    v2.v2("/a", limit=str(64 * MIB), usage=MIB)
    assert read_limit(42, v2.root).peak_bytes is None


def test_a_container_that_mounts_only_its_own_part_finds_its_group(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n")
    machine.process(42, "4:memory:/docker/abc/worker\n")
    machine.v1("", limit=512 * MIB, usage=MIB)
    machine.v1("/worker", limit=64 * MIB, usage=MIB)
    seen = read_limit(42, tmp_path)
    assert (seen.group, seen.limit_bytes) == ("/docker/abc/worker", 64 * MIB)


@pytest.mark.parametrize("membership", ["0::/../outside\n", "0::/elsewhere\n"])
def test_a_process_outside_the_visible_part_is_judged_by_the_mount_point(tmp_path: Path, membership: str) -> None:
    machine = Machine(tmp_path, "35 31 0:32 /kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n")
    machine.process(42, membership)
    machine.v2("", limit=str(64 * MIB), usage=MIB)
    assert read_limit(42, tmp_path).limit_bytes == 64 * MIB


def test_a_process_that_has_ended_is_unreachable_and_the_hint_names_the_group(v2: Machine) -> None:
    with pytest.raises(UnavailableError, match=r"process 42 has ended.*control group") as error:
        read_limit(42, v2.root)
    assert error.value.reason == "unreachable"


def test_a_file_that_may_not_be_read_is_a_permission_matter(v2: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[cgroups.MemoryGroup]:
        raise PermissionError(13, "Permission denied", "/proc/42/cgroup")

    monkeypatch.setattr(cgroups, "groups_of", refuse)
    with pytest.raises(UnavailableError, match="/proc/42/cgroup may not be read") as error:
        read_limit(42, v2.root)
    assert error.value.reason == "permission"


def test_a_group_is_found_by_its_path_or_its_folder_and_shows_its_eldest_process(v2: Machine) -> None:
    v2.v2("/plumbline", limit=str(64 * MIB), usage=MIB, kills=2)
    v2.write("sys/fs/cgroup/plumbline/cgroup.procs", "41\n42\n43\n")
    v2.process(42, "0::/plumbline\n", started_s=500.0, name="old (one)")
    v2.process(43, "0::/plumbline\n", started_s=990.0)
    by_path, by_folder = read_group("/plumbline", v2.root), read_group("/sys/fs/cgroup/plumbline", v2.root)
    assert by_path == by_folder
    assert (by_path.kills, by_path.subject, by_path.process_age_s) == (2, "old (one) (process 42)", 500.0)


def test_a_version_1_group_is_found_by_its_folder(v1: Machine) -> None:
    v1.v1("/plumbline", limit=64 * MIB, usage=MIB)
    v1.write("sys/fs/cgroup/memory/plumbline/cgroup.procs", "")
    seen = read_group("/sys/fs/cgroup/memory/plumbline", v1.root)
    assert (seen.limit_bytes, seen.subject, seen.process_age_s) == (64 * MIB, "control group", None)


def test_a_group_that_does_not_exist_is_unreachable(v2: Machine) -> None:
    with pytest.raises(UnavailableError, match="no memory control group /nowhere"):
        read_group("/nowhere", v2.root)
    assert cgroups.members("/nowhere", v2.root) == []


def test_another_platform_says_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as error:
        read_limit(None)
    assert error.value.reason == "unsupported_platform"


def test_this_machine_is_read_without_a_target_but_a_lost_process_is_not_judged_by_it() -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    of_machine = MemoryLimit.sources[-1].read
    assert of_machine(Endpoint("here")).host_total_bytes > 0
    with pytest.raises(UnavailableError, match="is gone"):
        of_machine(Endpoint("lab", pid=1))
    own = MemoryLimit.sources[1].read(Endpoint("lab", pid=os.getpid()))
    assert own.resident_bytes > MIB
    with pytest.raises(UnavailableError):
        MemoryLimit.sources[0].read(Endpoint("lab", cgroup="/no/such/group"))
    assert OomKills.sources[0].read(Endpoint("here")).kills_watched >= 0


def test_a_closed_kernel_log_means_watching_the_hosts_counter(v2: Machine) -> None:
    def closed() -> list[str]:
        raise PermissionError(1, "Operation not permitted", "/dev/kmsg")

    def pause(seconds: float) -> None:
        assert seconds == memory._WATCH_S
        v2.write("proc/vmstat", "oom_kill 5\n")

    assert read_kills(v2.root, closed, pause) == OomKills(log_read=False, watched_s=1.0, kills_watched=2, recent=())


def test_a_kernel_that_does_not_count_kills_is_unsupported(v2: Machine) -> None:
    v2.write("proc/vmstat", "pgfault 7\n")

    def closed() -> list[str]:
        raise FileNotFoundError("/dev/kmsg")

    with pytest.raises(UnavailableError, match=r"4\.13"):
        read_kills(v2.root, closed)


@given(
    limits=st.lists(st.one_of(st.none(), st.integers(1, 1 << 40)), max_size=6),
)
def test_no_group_is_tighter_than_the_tightest(limits: list[int | None]) -> None:
    groups = [cgroups.MemoryGroup(f"/{n}", 2, limit, 0, 0, None, 0, 0, None) for n, limit in enumerate(limits)]
    chosen = cgroups.tightest(groups)
    finite = [limit for limit in limits if limit is not None]
    assert (chosen.limit if chosen else None) == (min(finite) if finite else None)


@given(usage=st.integers(0, 1 << 40), cache=st.integers(0, 1 << 40))
def test_the_working_set_lies_between_nothing_and_usage(usage: int, cache: int) -> None:
    group = cgroups.MemoryGroup("/a", 2, None, usage, cache, None, 0, 0, None)
    assert 0 <= group.working_set <= usage
