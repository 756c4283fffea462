"""The gateway's unit as a topology wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.lab.fault import Topology

STOP_S = 15
"""Time that a gateway has to let its clients go, in seconds: longer than any drain of a lab."""


def unit(topology: Topology) -> str:
    """Return the gateway's unit as a drop-in file in systemd's syntax."""
    lines = ["[Service]", f"Restart={'always' if topology.supervised else 'no'}"]
    lines.append(f"RestartSec={topology.restart_delay_s}")
    lines.append(f"TimeoutStopSec={STOP_S:g}")
    if topology.nofile is not None:
        lines.append(f"LimitNOFILE={topology.nofile}")
    if topology.memory_limit_bytes is not None:
        lines.append(f"MemoryMax={topology.memory_limit_bytes}")
    return "\n".join(lines) + "\n"
