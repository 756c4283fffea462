"""What a recovery storm costs the gateway: microseconds of CPU for each replayed message, without sockets.

    python benchmarks/streaming/replay.py [--quick]

Many clients come back to one channel at the same position; the kernel is a link that takes all bytes at once.

Bounds: the best of three rounds in one process; only the gateway's own work is measured.
"""

import asyncio
import time

import common

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Subscribe
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.connection import Connection
from plumbline.streaming.server.hub import Hub
from plumbline.streaming.server.subscribing import subscribe

CLIENTS, MISSED, ROUNDS = 2000, 200, 3
DATA = b'{"text":"%b"}' % (b"x" * 200)


class Nowhere:
    """A link that takes everything."""

    fd, held, rest, batch_bytes, open, secure = 1, 0, None, 65536, True, False

    def write_one(self, frame: bytes) -> int:
        """Take a frame."""
        return len(frame)

    def write(self, frames: list[bytes]) -> int:
        """Take many."""
        return sum(map(len, frames))


async def storm(count: int) -> float:
    """Return the seconds of CPU in which all clients got what they missed."""
    hub = Hub(Settings(history_messages=1000, history_bytes=1 << 20), "e")
    await hub.start()
    epoch = (await hub.publish("c", DATA)).epoch
    for _ in range(MISSED):
        await hub.publish("c", DATA)
    clients = [Connection(hub, Nowhere(), number, "127.0.0.1", number) for number in range(count)]  # type: ignore[arg-type]  # what a connection uses of a link
    began = time.process_time()
    for number, client in enumerate(clients):
        subscribe(hub.fanout, client, Subscribe(number, "c", Position(epoch, 1)), lambda _: None)
    while hub.counters.replayed < count * MISSED:  # noqa: ASYNC110 - it turns the loop
        await asyncio.sleep(0)
    took = time.process_time() - began
    hub.close()
    return took


def main() -> None:
    """Print the best of a few rounds, and keep it."""
    given = common.arguments(__doc__)
    started, count = time.time(), 20 if given.quick else CLIENTS
    best = min(asyncio.run(storm(count)) for _ in range(ROUNDS))
    results = {"us": round(best / count / MISSED * 1e6, 3)}
    common.save("replay", given.quick, started, results, bounds={"clients": count, "missed": MISSED})
    print(f"{count} clients x {MISSED} messages: {results['us']:.2f} us of CPU per replayed message")


if __name__ == "__main__":
    main()
