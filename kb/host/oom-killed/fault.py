"""A memory limit below what the gateway needs: the kernel kills it, its supervisor starts it, the kernel kills it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from plumbline.host import cgroups, kernel_log
from plumbline.lab import Fault, Felt, Lab, Topology

TOO_LITTLE = "12M"
"""Importing a WebSocket server in Python takes more; so it dies on every machine, at every start."""

FIRST_KILL_S = 30.0
"""Until then the new process is only on its way to the limit; a loaded machine may need seconds."""


class OomKilled(Fault):
    """Somebody tidies up the limits of all units, and gives the gateway what an idle shell needs."""

    topology = Topology(
        memory_limit_bytes=256 << 20,
        restart_delay_s=0.5,  # a crash loop without a pause would take the other core's time, too
    )

    def inject(self, lab: Lab) -> None:
        """Lower the limit in a drop-in, and let the unit be restarted. Only the lab's own group can be hit."""
        without_swap(lab.cgroup)
        self.began_s = float(Path("/proc/uptime").read_text().split()[0])
        unit = Path(lab.environment["GATEWAY_UNIT"])
        (unit / "50-limits.conf").write_text(f"[Service]\nMemoryMax={TOO_LITTLE}\n")
        os.kill(lab.gateway.pid, signal.SIGTERM)
        deadline = time.monotonic() + FIRST_KILL_S
        while not any(group.kills for group in cgroups.groups_at(str(lab.cgroup))[:1]) and time.monotonic() < deadline:
            time.sleep(0.02)

    def felt(self, lab: Lab) -> Felt:
        """Clients are thrown out, and cannot come back."""
        service = lab.service()
        missing = service.clients_wanted - service.clients
        return Felt(
            hurts=missing > 0 and service.connects_failed > 0,
            sentence=f"{missing} clients are outside, {lab.gateway.starts} starts of the gateway so far: {service}",
            numbers={"missing": float(missing), "starts": float(lab.gateway.starts)},
        )

    def logs(self, lab: Lab) -> str:
        """Return the kernel's report of the last kill, as `dmesg` shows it, and what the gateway said."""
        with contextlib.suppress(OSError):  # closed in containers and under kernel.dmesg_restrict
            return last_report(kernel_log.records(), lab.cgroup.name, self.began_s) + lab.logs()
        return lab.logs()


def without_swap(group: Path) -> None:
    """Keep the group out of swap: with it, the gateway would crawl instead of die."""
    for name in ("memory.swap.max", "memory.swappiness"):  # version 2, version 1
        if (group / name).exists():
            (group / name).write_text("0")


def last_report(records: Iterable[str], group: str, since_s: float) -> str:
    """Return the lines of the newest out-of-memory report about a group, from "invoked oom-killer" to the kill."""
    report: list[str] = []
    newest = ""
    for record in records:
        head, _, text = record.partition(";")
        if "invoked oom-killer" in text:
            report = []
        fields = head.split(",")
        if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) / 1e6 >= since_s:
            report.append(f"[{int(fields[2]) / 1e6:12.6f}] {text}\n")
        if "Killed process" in text and any(f"/{group}," in line for line in report):
            newest = "".join(report)
    return newest
