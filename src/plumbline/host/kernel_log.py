"""The kernel's own account of out-of-memory kills, from its log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plumbline.evidence import measured

_RECORD_BYTES = 8192
"""Longest record of `/dev/kmsg` (the kernel refuses a shorter buffer with EINVAL)."""
_LIMIT = re.compile(r"^memory: usage \d+kB, limit (\d+)kB")
_KILL = re.compile(
    r"^oom-kill:constraint=CONSTRAINT_(\w+),.*?(?:oom_memcg=([^,]+),)?task_memcg=([^,]+),task=(.*),pid=(\d+),"
)


@dataclass(frozen=True, slots=True)
class OomKill:
    """One process that the kernel killed for want of memory."""

    ago_s: float = measured("s", "Time since the kill")
    host_wide: bool = measured("1", "The machine itself ran out of memory, not one control group")
    group: str = measured("", "Control group that reached its limit; empty if the host ran out", secrecy="internal")
    victim_group: str = measured("", "Control group of the killed process", secrecy="internal")
    victim: str = measured("", "Name of the killed process", secrecy="internal")
    limit_bytes: int | None = measured("By", "Limit of the group at that moment")


def records(device: str = "/dev/kmsg") -> Iterator[str]:
    """Yield what the kernel log holds now, oldest first, as `priority,sequence,microseconds,flags;text`.

    Raises:
        OSError: There is no such log here (containers), or it may not be read (`kernel.dmesg_restrict`).
    """
    handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                record = os.read(handle, _RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:  # records were overwritten while we read: go on with the oldest that is left
                continue
            if not record:
                return
            yield from record.decode(errors="replace").splitlines()
    finally:
        os.close(handle)


def kills(lines: Iterable[str], now_s: float) -> tuple[OomKill, ...]:
    """Read the kills out of the log, newest first.

    Args:
        lines: Records as `records` yields them; others are passed over.
        now_s: The machine's uptime in seconds, the clock of the records.
    """
    found: list[OomKill] = []
    limit: int | None = None
    for line in lines:
        head, _, text = line.partition(";")
        if match := _LIMIT.match(text):
            limit = int(match[1]) * 1024
        elif match := _KILL.match(text):
            kind, group, victim_group, victim, _ = match.groups()
            in_group = kind == "MEMCG" and group is not None
            found.append(
                OomKill(
                    ago_s=max(0.0, now_s - int(head.split(",")[2]) / 1e6),
                    host_wide=not in_group,
                    group=group if in_group else "",
                    victim_group=victim_group,
                    victim=victim,
                    limit_bytes=limit if in_group else None,
                )
            )
            limit = None
    return tuple(reversed(found))
