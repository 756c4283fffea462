"""Free ports on loopback."""

from __future__ import annotations

import random
import socket

from plumbline.lab.errors import LabError

_PORTS = range(20000, 30000)  # below Linux's and macOS's ephemeral ports, so that no outgoing connection takes them


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    Raises:
        LabError: None was found.
    """
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LabError(f"found no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")
