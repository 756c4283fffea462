"""What helps against a full accept queue: 200 clients at once, a server that does not accept, four ways to "fix" it.

    sudo python benchmarks/accept_queue.py

Runs in a network namespace of its own (the sysctls of this machine stay as they are) and prints a Markdown table.
"""

import contextlib
import os
import select
import socket
import sys
import time
from pathlib import Path

CLIENTS, SECONDS = 200, 3.0
SYSCTL = {"syn_backlog": "ipv4/tcp_max_syn_backlog", "somaxconn": "core/somaxconn"}
# name, net.ipv4.tcp_max_syn_backlog, net.core.somaxconn, argument of listen()
STEPS = (
    ("the fault", 2048, 128, 16),
    ("`tcp_max_syn_backlog` raised", 8192, 128, 16),
    ("`somaxconn` raised", 2048, 4096, 16),
    ("backlog of the server raised", 2048, 128, 4096),
    ("both raised", 2048, 4096, 4096),
)


def counter(name: str) -> int:
    """Return a TcpExt counter of this namespace."""
    names, values = (
        line.split()[1:] for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")
    )
    return int(dict(zip(names, values, strict=False))[name])


def attempt(backlog: int) -> tuple[int, int, int, int]:
    """Return (clients whose connect() completed, overflows, drops, SYN retransmissions) after `SECONDS`."""
    before = [counter(name) for name in ("ListenOverflows", "ListenDrops", "TCPSynRetrans")]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)
        waiting, connected = select.poll(), 0
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.register(client, select.POLLOUT)
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0:
            for descriptor, _ in waiting.poll(left * 1000):
                waiting.unregister(descriptor)
                connected += 1
        deltas = [
            counter(name) - was
            for name, was in zip(("ListenOverflows", "ListenDrops", "TCPSynRetrans"), before, strict=True)
        ]
    return connected, *deltas


def main() -> None:
    """Enter a namespace, then print one row per step."""
    if "--inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "-n", sys.executable, __file__, "--inside"])
    os.system("ip link set lo up")
    print(
        "| | tcp_max_syn_backlog | somaxconn | listen() | connected | ListenOverflows | ListenDrops | SYNs sent again |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, syn_backlog, somaxconn, backlog in STEPS:
        for key, value in (("syn_backlog", syn_backlog), ("somaxconn", somaxconn)):
            Path("/proc/sys/net", SYSCTL[key]).write_text(str(value))
        connected, overflows, drops, retries = attempt(backlog)
        row = (name, syn_backlog, somaxconn, backlog, f"{connected} of {CLIENTS}", overflows, drops, retries)
        print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
