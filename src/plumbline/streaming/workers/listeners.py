"""The supervisor's listening sockets: one for each worker on the same port, so that the kernel spreads connections.

The supervisor opens them and workers inherit them. A worker that dies or is replaced therefore closes no accept queue:
connections in it wait for the next worker instead of being reset, which is what closing one of several `SO_REUSEPORT`
listeners does (`net.ipv4.tcp_migrate_req` is 0 by default). A new one is bound only: its first worker calls `listen`
when it can serve, so that no client waits for a process that is still starting. Where the kernel does not spread
connections over such listeners (macOS gives them all to the newest) the workers share one.
"""

from __future__ import annotations

import socket
import sys

from plumbline.streaming.core.address import Address
from plumbline.streaming.server.acceptor import listen_tcp
from plumbline.streaming.server.sharedport import bind_shared


class Listeners:
    """Opens and closes listening sockets of one port.

    Args:
        address: Where; port 0 takes a free one.
        backlog: Length of each one's queue.
        spread: Whether each worker has its own; else all share one.

    Raises:
        OSError: The address is taken, or is none of this machine.
    """

    def __init__(self, address: Address, backlog: int, *, spread: bool = sys.platform == "linux") -> None:
        self.backlog = backlog
        self._spread = spread
        if spread:
            self._first = self._reserve(address)
            self.address = address.bound(self._first.getsockname()[1])
        else:
            self._first = listen_tcp(address.host, address.port, backlog)
            self.address = address.bound(self._first.getsockname()[1])

    def open(self) -> socket.socket:
        """Return a socket for one more worker; where each has its own, the worker makes it listen when it can serve.

        Raises:
            OSError: There are no descriptors left.
        """
        if not self._spread:
            return self._first.dup()
        return bind_shared(self.address.host, self.address.port)

    def close(self) -> None:
        """Give up the port, as far as no other socket of ours is open on it."""
        self._first.close()

    @staticmethod
    def _reserve(address: Address) -> socket.socket:
        """Bind the port without listening: it stays ours while workers come and go, and gets no connections."""
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:  # somebody else's port is not ours to share
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            port = probe.getsockname()[1]
        return bind_shared(address.host, port)
