"""TCP sockets as the kernel lists them: netlink's inet_diag, read without a Python object per attribute.

A dump of 30,000 sockets must not cost the seconds that a general netlink parser takes for it (`ss` is no dependency).
The layout is that of linux/inet_diag.h and linux/tcp.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.evidence import UnavailableError

ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING, LISTEN = 1, 2, 4, 5, 6, 11, 10
"""States of linux/tcp_states.h."""
ANY = tuple(range(1, 13))
RETRANSMIT, KEEPALIVE = 1, 2
"""What the socket's timer waits for: the answer to data, or the time of a keepalive probe."""

_NETLINK_SOCK_DIAG = 4  # protocol of the netlink socket; Python has no name for it
_SOCK_DIAG_BY_FAMILY = 20
_DONE, _ERROR = 3, 2
_REQUEST_DUMP = 0x301
_WITH_INFO = 1 << 1  # ask for INET_DIAG_INFO (2): bit 2 - 1
_INFO = 2
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sIIIIIIII")
_ATTRIBUTE = struct.Struct("=HH")
_COUNTERS = struct.Struct("=IIIIIIIIIIIII")  # tcp_info from tcpi_rto to tcpi_last_ack_recv, after 8 bytes of flags


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """What the kernel knows of the other side.

    Args:
        unacked: Segments sent that the peer has not acknowledged.
        since_data_sent_s: Time since data was last sent, in seconds.
        since_data_heard_s: Time since data last came, in seconds.
        since_heard_s: Time since the peer last acknowledged anything, in seconds.
    """

    unacked: int
    since_data_sent_s: float
    since_data_heard_s: float
    since_heard_s: float


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One TCP socket.

    Args:
        state: One of linux/tcp_states.h.
        local: Own address.
        local_port: Own port.
        remote: The peer's address.
        remote_port: Its port.
        inode: Number as in `/proc/PID/fd`; 0 in TIME_WAIT, when it belongs to no process any more.
        send_queue: Bytes not acknowledged yet; of a listener, its backlog.
        timer: What its timer waits for (`RETRANSMIT`, `KEEPALIVE`); 0: none runs.
        retransmits: How often the same data was sent again, in vain.
        info: More, where it was asked for and the socket is connected.
    """

    state: int
    local: str
    local_port: int
    remote: str
    remote_port: int
    inode: int
    send_queue: int
    timer: int = 0
    retransmits: int = 0
    info: TcpInfo | None = None


def sockets(states: tuple[int, ...] = ANY, *, info: bool = False) -> list[TcpSocket]:
    """Return the TCP sockets of this thread's network namespace.

    Args:
        states: Which ones.
        info: Ask for `TcpInfo`, too.

    Raises:
        UnavailableError: Not on Linux, or the kernel does not answer.
    """
    if sys.platform != "linux":
        raise UnavailableError("unsupported_platform", "the kernel's list of TCP sockets can be read on Linux only")
    found: list[TcpSocket] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(5.0)
            for family in (socket.AF_INET, socket.AF_INET6):
                netlink.send(_request(family, states, info=info))
                found += _answers(netlink)
    except OSError as error:
        raise UnavailableError("permission", f"the kernel does not list TCP sockets (inet_diag): {error}") from None
    return found


def _request(family: int, states: tuple[int, ...], *, info: bool) -> bytes:
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, _WITH_INFO if info else 0, sum(1 << state for state in states))
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + body


def _answers(netlink: socket.socket) -> Iterator[TcpSocket]:
    while True:
        data = netlink.recv(1 << 18)
        start = 0
        while start + _HEADER.size <= len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, start)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", data, start + _HEADER.size)[0]
                raise OSError(code, "inet_diag refuses")
            yield parsed(data[start + _HEADER.size : start + length])
            start += (length + 3) & ~3


def parsed(message: bytes) -> TcpSocket:
    """Read one `inet_diag_msg` with its attributes."""
    row = _MESSAGE.unpack_from(message)
    family, state, timer, retransmits, local_port, remote_port, local, remote = row[:8]
    return TcpSocket(
        state=state,
        local=_address(family, local),
        local_port=int.from_bytes(local_port, "big"),
        remote=_address(family, remote),
        remote_port=int.from_bytes(remote_port, "big"),
        inode=row[15],
        send_queue=row[13],
        timer=timer,
        retransmits=retransmits,
        info=_info(message),
    )


def _address(family: int, raw: bytes) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)  # a dual-stack socket that speaks IPv4


def _info(message: bytes) -> TcpInfo | None:
    start = _MESSAGE.size
    while start + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, start)
        if kind == _INFO and length >= _ATTRIBUTE.size + 8 + _COUNTERS.size:
            words = _COUNTERS.unpack_from(message, start + _ATTRIBUTE.size + 8)
            return TcpInfo(words[4], words[9] / 1000, words[11] / 1000, words[12] / 1000)
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None
