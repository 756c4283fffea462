"""How long a connection's data has been unable to leave: the kernel knows it for any server, in any language.

`tcpi_last_data_sent` is the age of the last data segment. While bytes wait that were never sent (`tcpi_notsent_bytes`),
it is how long the peer's window has been shut; zero-window probes carry no data and do not count.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from plumbline.streaming.probes.sockets import PROC, Socket

_ESTABLISHED = 1 << 1  # bit of TCP_ESTABLISHED (1) in a mask of states
_WITH_INFO = 1 << 1  # ask for INET_DIAG_INFO (2): bit 2 - 1
_IPV4_DIGITS = 8


def stalled_s(pid: int, rows: Iterable[Socket], proc: Path = PROC) -> dict[int, float]:
    """Return, by inode, how long the unsent bytes of a socket have waited, in seconds.

    Sockets that send freely are absent, and so are all of a process in another network namespace: its sockets
    cannot be asked for from here.

    Args:
        pid: The process.
        rows: Its sockets; one request to the kernel for each.
        proc: Where procfs is mounted.
    """
    try:
        if (proc / str(pid) / "ns/net").readlink() != (proc / "thread-self/ns/net").readlink():
            return {}
        return _asked({row.inode: row for row in rows})
    except OSError:  # no netlink, or no right to look
        return {}


def _asked(rows: dict[int, Socket]) -> dict[int, float]:
    if not rows:
        return {}
    from pyroute2 import DiagSocket

    found: dict[int, float] = {}
    with DiagSocket() as diag:
        diag.bind()
        for row in rows.values():
            address, _, port = row.local.rpartition(":")
            answers = diag.get_sock_stats(
                family=socket.AF_INET if len(address) == _IPV4_DIGITS else socket.AF_INET6,
                states=_ESTABLISHED,
                extensions=_WITH_INFO,
                sport=int(port, 16),
                dport=int(row.remote.rpartition(":")[2], 16),
            )
            for answer in answers:
                info = answer.get_attr("INET_DIAG_INFO")
                if answer["idiag_inode"] in rows and info and info["tcpi_notsent_bytes"]:
                    found[answer["idiag_inode"]] = info["tcpi_last_data_sent"] / 1000
    return found
