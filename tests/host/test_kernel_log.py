"""Kills are read out of kernel logs as real kernels write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plumbline.host import kernel_log

# IN_GROUP was captured on Linux 6.18 with a limit of 32 MiB; ON_HOST has the form the kernel gives a host that ran out.
IN_GROUP = [
    "4,425,1948025965,-;python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "6,470,1948026244,-;memory: usage 32768kB, limit 32768kB, failcnt 675",
    (
        "6,503,1948026526,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
        "oom_memcg=/plumb,task_memcg=/plumb/gateway,task=python3,pid=9683,uid=0"
    ),
    "3,504,1948026547,-;Memory cgroup out of memory: Killed process 9683 (python3) total-vm:42264kB",
]
ON_HOST = [
    (
        "6,600,1990000000,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
        "task_memcg=/user.slice/user-1000.slice,task=Web Content, 2,pid=77,uid=1000"
    ),
    " SUBSYSTEM=memory",
]


def test_a_kill_in_a_group_names_the_group_the_victim_and_the_limit_of_that_moment() -> None:
    (kill,) = kernel_log.kills(IN_GROUP, now_s=1950.0)
    assert kill.ago_s == pytest.approx(1.973474)
    assert (kill.host_wide, kill.group, kill.victim_group) == (False, "/plumb", "/plumb/gateway")
    assert (kill.victim, kill.limit_bytes) == ("python3", 32 << 20)


def test_a_kill_of_the_host_has_no_group_and_no_limit() -> None:
    (kill,) = kernel_log.kills(ON_HOST, now_s=2000.0)
    assert (kill.host_wide, kill.group, kill.limit_bytes) == (True, "", None)
    assert kill.victim == "Web Content, 2"


def test_kills_come_newest_first_and_a_limit_is_not_carried_over() -> None:
    newest, oldest = kernel_log.kills([*IN_GROUP, *ON_HOST], now_s=2000.0)
    assert newest.host_wide
    assert newest.limit_bytes is None
    assert not oldest.host_wide


def test_a_clock_behind_the_record_gives_no_negative_age() -> None:
    assert kernel_log.kills(ON_HOST, now_s=0.0)[0].ago_s == 0.0


def test_a_log_without_kills_gives_none() -> None:
    assert kernel_log.kills(["6,1,5,-;Linux version 6.18"], now_s=1.0) == ()


def test_records_come_until_the_log_has_no_more(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text("\n".join(IN_GROUP) + "\n")
    assert list(kernel_log.records(str(log))) == IN_GROUP


def test_overwritten_records_are_passed_over_and_an_empty_log_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bytes | Exception] = [BrokenPipeError(), b"6,1,5,-;one\n", BlockingIOError()]

    def read(_handle: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(os, "read", read)
    assert list(kernel_log.records(os.devnull)) == ["6,1,5,-;one"]


def test_a_machine_without_a_kernel_log_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(kernel_log.records(str(tmp_path / "none")))
