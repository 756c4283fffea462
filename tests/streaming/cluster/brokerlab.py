"""Brokers of several gateways on one server."""

import asyncio
import contextlib

from contracts.broker import SETTINGS, Recorder

from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker


async def opened(server, stack, **options):
    broker = NatsBroker(ClusterOptions((server.url,), **options), SETTINGS)
    receiver = Recorder()
    await broker.start(receiver)
    stack.push_async_callback(broker.stop)
    return broker, receiver


def with_brokers(count, server, test):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            await test(*[await opened(server, stack) for _ in range(count)])

    asyncio.run(main())


def publish_all(broker, channel, texts):
    """Publish all at once; return futures of positions or errors."""
    told = []
    for text in texts:
        answer = asyncio.get_running_loop().create_future()
        broker.publish(channel, text, None, answer.set_result)
        told.append(answer)
    return told
