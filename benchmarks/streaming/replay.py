"""What a recovery storm costs the gateway: microseconds of CPU for each replayed message, without sockets.

`python benchmarks/streaming/replay.py` lets many clients come back to one channel at the same position; the kernel is a
link that takes all bytes at once, so that only the gateway's own work is measured.
"""

import asyncio
import time

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


async def storm() -> float:
    """Return the seconds of CPU in which all clients got what they missed."""
    hub = Hub(Settings(history_messages=1000, history_bytes=1 << 20), "e")
    await hub.start()
    epoch = (await hub.publish("c", DATA)).epoch
    for _ in range(MISSED):
        await hub.publish("c", DATA)
    clients = [Connection(hub, Nowhere(), number, "127.0.0.1", number) for number in range(CLIENTS)]  # type: ignore[arg-type]  # what a connection uses of a link
    began = time.process_time()
    for number, client in enumerate(clients):
        subscribe(hub.fanout, client, Subscribe(number, "c", Position(epoch, 1)), lambda _: None)
    while hub.counters.replayed < CLIENTS * MISSED:  # noqa: ASYNC110 - it turns the loop
        await asyncio.sleep(0)
    took = time.process_time() - began
    hub.close()
    return took


def main() -> None:
    """Print the best of a few rounds."""
    best = min(asyncio.run(storm()) for _ in range(ROUNDS))
    print(f"{CLIENTS} clients x {MISSED} messages: {best / CLIENTS / MISSED * 1e6:.2f} us of CPU per replayed message")


if __name__ == "__main__":
    main()
