"""Something slow to compute, and stores that share what they keep."""

import asyncio
import contextlib

from contracts.broker import Recorder

from plumbline.streaming import Settings
from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.cachestores import MemoryStore, NatsStore
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.core.local import LocalBroker

HOUR_S = 3600.0


class Source:
    """What is slow to compute: it counts how often, and waits until it is let go."""

    def __init__(self, value=b"42"):
        self.value = value
        self.calls = 0
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self):
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def opened(source=b"42"):
    one = Source(source)
    one.go.set()
    return one


class Stores:
    """Opens stores that share what they keep, as processes would."""

    def __init__(self, kind, server):
        self.kind, self.server = kind, server
        self.memory = None

    @contextlib.asynccontextmanager
    async def open(self, count=1, **options):
        async with contextlib.AsyncExitStack() as stack:
            yield [await self._store(stack, options) for _ in range(count)]

    async def _store(self, stack, options):
        if self.kind == "memory":
            if self.memory is None:
                self.broker = LocalBroker(Settings(), "e", lambda: 0.0)
                await self.broker.start(Recorder())
                self.memory = MemoryStore(broker=self.broker, **options)
            return self.memory
        link = Link([self.server.url])
        await link.open()
        stack.push_async_callback(link.close)
        store = NatsStore(link, **options)
        await store.ready()
        if not hasattr(self, "broker"):
            self.broker = NatsBroker(ClusterOptions(servers=(self.server.url,)), Settings())
            await self.broker.start(Recorder())
            stack.push_async_callback(self.broker.stop)
        return store
