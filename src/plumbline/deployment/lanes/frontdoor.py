"""The HAProxy configuration of the runtime lane. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline.deployment.core.errors import InvalidError

BACKEND = "model"
KEEP_ALIVE_S = 60
"""How long HAProxy keeps a quiet connection. A model server must keep its end open for longer: who closes first while
the other sends loses that request, and nothing here sends it again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process listens."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Address:
        """Read `127.0.0.1:9101` or `[::1]:9101`.

        Raises:
            InvalidError: It is no address.
        """
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        known = port.isascii() and port.isdigit() and 0 < int(port) < 65536
        if not (colon and bare and known) or (":" in bare) != (host != bare) or set(bare) & set(" /{}"):
            raise InvalidError(f"'{text[:80]}' is no address; write one as 127.0.0.1:9101")
        return cls(bare, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """What stands before the groups.

    Args:
        bind: Where callers connect.
        stats_socket: Path of the Runtime API.
        state_file: Where the lane leaves the servers' states, so that a restarted HAProxy goes on with them.
        max_connections: Callers at one time.
        longest_s: The longest time that an answer may take, in seconds.
    """

    bind: Address
    stats_socket: str
    state_file: str
    max_connections: int = 4000
    longest_s: int = 60


def server_name(group: str, number: int) -> str:
    """Return what a group's process is called in HAProxy; they are numbered from 1."""
    return f"{group}{number}"


def configuration(door: FrontDoor, groups: Mapping[str, Sequence[Address]]) -> str:
    """Return the configuration's text; no server takes a request before the lane says so.

    Raises:
        InvalidError: There is no process, or an address is there twice.
    """
    every = [address for addresses in groups.values() for address in addresses]
    if not every or len(set(every)) != len(every) or not all(groups.values()):
        raise InvalidError("each group needs at least one process, and each process an address of its own")
    servers = "\n".join(
        f"    server {server_name(group, number)} {address} disabled"
        for group, addresses in groups.items()
        for number, address in enumerate(addresses, 1)
    )
    return f"""\
# HAProxy before two groups of model servers. Check it with: haproxy -c -f FILE
global
    maxconn {door.max_connections}
    stats socket {door.stats_socket} mode 600 level admin
    # Written by the lane after each switch: a restarted HAProxy goes on with what was served.
    server-state-file {door.state_file}
    hard-stop-after {door.longest_s}s

defaults
    mode http
    load-server-state-from-file global
    timeout connect 2s
    timeout http-request 10s
    timeout queue 5s
    timeout client {door.longest_s}s
    timeout server {door.longest_s}s
    timeout http-keep-alive {KEEP_ALIVE_S}s
    # A prediction may be paid for or logged twice if it is sent twice: nothing is sent again, here or elsewhere.
    retries 0
    no option redispatch
    # A caller's first request never takes a connection that was lying idle, so none meets one that has just died.
    http-reuse safe

frontend callers
    bind {door.bind}
    default_backend {BACKEND}

backend {BACKEND}
    # By weight: the lane sets shares while HAProxy runs, and round robin follows them request by request.
    balance roundrobin
    option httpchk GET /v2/health/ready
    http-check expect status 200
    default-server check inter 1s fastinter 200ms downinter 500ms fall 2 rise 1
{servers}
"""
