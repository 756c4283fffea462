"""Ask a broker that answers by callback, and remember what it tells."""

import asyncio
import functools
from dataclasses import dataclass
from typing import Any

from plumbline.streaming import Settings
from plumbline.streaming.core.broker import BrokerError

PATIENCE_S = 20
SETTINGS = Settings(history_messages=5, history_bytes=1000, history_s=3600)


class Recorder:
    """A receiver that remembers."""

    def __init__(self):
        self.messages = {}
        self.interruptions = []
        self._changed = asyncio.Event()

    def arrived(self, channel, position, data):
        self.messages.setdefault(channel, []).append((position, data))
        self._changed.set()

    def interrupted(self, channel, because):
        self.interruptions.append((channel, because))
        self._changed.set()

    def of(self, channel):
        return self.messages.get(channel, [])

    def offsets(self, channel):
        return [position.offset for position, _ in self.of(channel)]

    async def until(self, true):
        """Wait until this holds; it is looked at whenever something came."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Opened:
    """A broker that was started with the test's receiver.

    Args:
        broker: It.
        interrupt: Coroutine function that breaks continuity as the world would, and mends what was broken; None if
            nothing can.
        renew: Coroutine function that makes a channel start again under another epoch; None if nothing can.
    """

    broker: Any
    interrupt: Any = None
    renew: Any = None
    receiver: Any = None


async def ask(method, *args, **options):
    """Call a method that answers by callback; return the answer or raise the error."""
    answer = asyncio.get_running_loop().create_future()
    method(*args, lambda told: answer.done() or answer.set_result(told), **options)
    async with asyncio.timeout(PATIENCE_S):
        told = await answer
    if isinstance(told, BrokerError):
        raise told
    return told


def scenario(test):
    """Run an async test of the contract against an opened broker."""

    @functools.wraps(test)
    def run(self):
        async def main():
            receiver = Recorder()
            async with self.open(SETTINGS, receiver) as opened:
                opened.receiver = receiver
                await test(self, opened)

        asyncio.run(main())

    del run.__wrapped__  # pytest would ask for the inner function's arguments
    return run


async def fill(broker, channel, count, first=0):
    return [await ask(broker.publish, channel, b"%d" % number, None) for number in range(first, first + count)]
