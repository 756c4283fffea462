"""A port that several processes serve."""

from __future__ import annotations

import errno
import socket


def bind_shared(host: str, port: int) -> socket.socket:
    """Return a TCP socket whose port other processes of the same user may share (`SO_REUSEPORT`).

    It does not listen yet: from `listen` on the kernel gives it its share of the new connections, by a hash of their
    addresses, and those would wait for a process that cannot serve them, while others could.

    Args:
        host: An address of this machine.
        port: 0 takes a free one.

    Raises:
        OSError: The address is taken, is none of this machine, or this machine cannot share ports.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError(errno.ENOPROTOOPT, "this system cannot share a port between processes (SO_REUSEPORT)")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
