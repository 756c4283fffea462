"""What a lab asks of the machine, what it takes from it, and that all of it is given back."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from plumbline.diagnosis.targets import living
from plumbline.lab import Fault, Felt, Lab, MissingError, Topology, needs
from plumbline.lab.holds import Holds, reap, started
from plumbline.lab.keeper import namespace
from plumbline.lab.practice import shell
from plumbline.lab.running import running

linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="namespaces and cgroups without further set-up need root on Linux",
)


@linux_root
def test_a_lab_with_a_namespace_changes_no_sysctl_of_the_machine() -> None:
    mine = Path("/proc/sys/net/core/somaxconn").read_text()
    with running(Topology(netns=True), purpose="practice") as lab:
        other = str(int(mine) + 1)
        assert (
            lab.run(f"sysctl -qw net.core.somaxconn={other}; cat /proc/sys/net/core/somaxconn", timeout_s=60).output
            == f"{other}\n"
        )
        assert living()[0].endpoint.netns_of == lab.link.pid
        assert namespace.inhabitants(namespace.of(lab.link.pid))
        assert shell.inside(lab)[:3] == ["nsenter", "--target", str(lab.link.pid)]
    assert Path("/proc/sys/net/core/somaxconn").read_text() == mine
    assert lab.leftovers() == []


@linux_root
def test_a_lab_with_a_memory_limit_holds_the_gateway_to_it_and_removes_the_group() -> None:
    with running(Topology(memory_limit_bytes=256 << 20), purpose="prove") as lab:
        assert int(lab.cgroup_limit.read_text()) == 256 << 20
        assert str(lab.gateway.pid) in (lab.cgroup / "cgroup.procs").read_text().split()
        assert lab.environment["CGROUP_MEMORY_LIMIT"] == str(lab.cgroup_limit)
        drop_in = "printf '[Service]\\nMemoryMax=200M\\n' > \"$GATEWAY_UNIT/20-fix.conf\" && restart-gateway"
        assert lab.run(drop_in, timeout_s=60).code == 0
        assert int(lab.cgroup_limit.read_text()) == 200 << 20
        group = lab.cgroup
    assert not group.exists()


def test_what_a_dead_lab_left_is_reaped_by_the_next_one(tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "plumbline-dead"
    (folder / "deep").mkdir(parents=True)
    holds = Holds("dead-1", str(folder), (), os.getpid(), started(os.getpid()) - 100.0)
    holds.note()
    holds.state.write_text("{}")
    (state / "half.holds").write_text("{")
    assert len(holds.leftovers()) == 3
    assert reap() == ["dead-1"]
    assert holds.leftovers() == []


def test_a_living_lab_is_not_reaped(tmp_path: Path) -> None:
    folder = tmp_path / "plumbline-alive"
    folder.mkdir()
    Holds("alive-1", str(folder), (), os.getpid(), started(os.getpid())).note()
    assert reap() == []
    assert folder.exists()


def test_a_keeper_that_was_killed_leaves_nothing_once_the_lab_is_closed(state: Path) -> None:
    with running(Topology(), purpose="prove") as lab:
        os.kill(lab.link.pid, signal.SIGKILL)
    assert lab.leftovers() == []
    assert list(state.iterdir()) == []


class Greedy(Fault):
    needs = frozenset({"linux", "moon"})

    def inject(self, lab: Lab) -> None:
        raise NotImplementedError

    def felt(self, lab: Lab) -> Felt:
        raise NotImplementedError


def test_a_need_that_the_lab_does_not_know_is_an_error() -> None:
    with pytest.raises(MissingError, match="the fault needs moon, but the lab knows only linux"):
        needs.required(Greedy())


def test_what_a_machine_lacks_is_one_sentence_with_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs.sys, "platform", "darwin")
    monkeypatch.setattr(needs.shutil, "which", lambda name: None)
    with pytest.raises(MissingError) as caught:
        needs.check(["linux", "haproxy", "netns", "cgroup"])
    assert "a Linux kernel (run it on Linux" in str(caught.value)
    assert "haproxy on the PATH ('apt-get install haproxy'" in str(caught.value)
    monkeypatch.setattr(namespace.sys, "platform", "darwin")
    with pytest.raises(namespace.NamespaceError, match="exist on Linux only"):
        namespace.enter()


def test_unprivileged_namespaces_count_where_the_kernel_allows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("namespaces are Linux's")
    monkeypatch.setattr(needs.os, "geteuid", lambda: 1000)
    allowed = Path("/proc/sys/user/max_user_namespaces")
    if allowed.exists() and int(allowed.read_text()) > 0:
        needs.check(["netns"])
    else:
        with pytest.raises(MissingError, match="allow unprivileged user namespaces"):
            needs.check(["netns"])
