"""The cluster's broker keeps the contract; and what only a cluster has: several gateways, servers that die."""

import asyncio
import contextlib

import pytest
from contracts.broker import BrokerContract, Opened

from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.subjects import stored


class TestNatsBroker(BrokerContract):
    @pytest.fixture(autouse=True)
    def _server(self, nats):
        self.server = nats()

    @contextlib.asynccontextmanager
    async def open(self, settings, receiver):
        broker = NatsBroker(ClusterOptions(servers=(self.server.url,)), settings)
        await broker.start(receiver)

        async def interrupt():
            self.server.kill()
            await asyncio.to_thread(self.server.start)

        async def renew(channel):
            await broker.link.api("STREAM.PURGE.PLUMBLINE", {"filter": stored(channel)})

        yield Opened(broker, interrupt=interrupt, renew=renew)
        await broker.stop()
