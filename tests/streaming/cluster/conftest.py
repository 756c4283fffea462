"""Real nats-server processes on free ports, killed and started again at will."""

import asyncio
import contextlib

import pytest
from cluster.cachelab import Stores
from cluster.natslab import Server
from cluster.twolab import Regions


@pytest.fixture
def nats(tmp_path):
    """Return a function that starts a nats-server with JetStream; it is killed after the test."""
    running = []

    def begin(**options):
        one = Server(tmp_path / f"nats{len(running)}", **options)
        running.append(one)
        one.start()
        return one

    yield begin
    for one in running:
        one.kill()


@pytest.fixture
def scene(nats):
    """Return a function that runs an async test with two regions."""

    def run(test):
        async def main():
            async with contextlib.AsyncExitStack() as stack:
                both = Regions(nats, stack)
                await both.begin()
                await test(both)

        asyncio.run(main())

    return run


@pytest.fixture(params=["memory", "nats"])
def stores(request):
    server = request.getfixturevalue("nats")() if request.param == "nats" else None
    return Stores(request.param, server)
