"""How evenly the kernel spreads connections over workers that share a port, and what balancing makes of a late worker.

    python benchmarks/streaming/spread.py [--quick]

It opens listening sockets as the supervisor does, connects, and counts who got how many: the most loaded worker through
the mean. Then the first worker takes all, the others are added, and it sheds and reconnects round by round.

Bounds: 100 to 4,000 connections on loopback, the median of five times.
"""

import socket
import statistics
import time

import common

from plumbline.streaming.core.address import Address
from plumbline.streaming.workers.balance import spread, surplus
from plumbline.streaming.workers.listeners import Listeners

CONNECTIONS = (100, 1000, 4000)
LATE = 4000
REPEATS = 5


class Port:
    """One port and its listening sockets, and the connections that each has."""

    def __init__(self, workers: int) -> None:
        self.listeners = Listeners(Address("127.0.0.1", 0), 4096)
        self.open: list[socket.socket] = []
        self.held: list[list[tuple[socket.socket, socket.socket]]] = []
        self.grow(workers)

    def grow(self, workers: int) -> None:
        """Add listening sockets."""
        while len(self.open) < workers:
            self.open.append(self.listeners.open())
            self.open[-1].listen(4096)  # as a worker does when it can serve
            self.held.append([])

    def connect(self, count: int) -> None:
        """Let so many clients come."""
        address = (self.listeners.address.host, self.listeners.address.port)
        for _ in range(count):
            client = socket.create_connection(address)
            for number, listener in enumerate(self.open):
                try:
                    self.held[number].append((listener.accept()[0], client))
                except BlockingIOError:
                    continue
                break

    def shed(self, number: int, count: int) -> None:
        """Close so many of one worker's connections."""
        for _ in range(count):
            for end in self.held[number].pop():
                end.close()

    def counts(self) -> dict[int, int]:
        """Return the connections of each."""
        return {number: len(held) for number, held in enumerate(self.held)}

    def close(self) -> None:
        """Close everything."""
        for number, held in enumerate(self.held):
            self.shed(number, len(held))
        for listener in self.open:
            listener.close()
        self.listeners.close()


def hashed(workers: int, counts: tuple[int, ...]) -> dict[str, float]:
    """Return the median of max/mean for each number of connections."""
    found = {}
    for count in counts:
        spreads = []
        for _ in range(REPEATS):
            port = Port(workers)
            port.connect(count)
            spreads.append(spread(port.counts()))
            port.close()
        found[str(count)] = round(statistics.median(spreads), 3)
    return found


def late(workers: int, clients: int) -> list[float]:
    """Return max/mean before each round, when all workers but one came late."""
    port = Port(1)
    port.connect(clients)
    port.grow(workers)
    found = [spread(port.counts())]
    while going := surplus(port.counts(), 0.1):
        for number, count in going.items():
            port.shed(number, count)
        port.connect(sum(going.values()))
        found.append(spread(port.counts()))
    port.close()
    return found


def main() -> None:
    """Measure both, print them and keep them."""
    given = common.arguments(__doc__)
    started, counts, clients = time.time(), CONNECTIONS[: 1 if given.quick else None], 100 if given.quick else LATE
    results = {
        "hashed": {str(workers): hashed(workers, counts) for workers in (2, 4, 8)},
        "late": {str(workers): [round(value, 2) for value in late(workers, clients)] for workers in (2, 4)},
    }
    common.save("spread", given.quick, started, results, bounds={"late": clients, "repeats": REPEATS})
    common.table(["workers", *counts], [[workers, *found.values()] for workers, found in results["hashed"].items()])
    for workers, values in results["late"].items():
        print(f"{workers} workers, {clients:,} connections on the first, round by round: {values}")


if __name__ == "__main__":
    main()
