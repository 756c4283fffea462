"""Two regions with a server and a gateway process each, and clients that know both: they read, publish, keep books."""

import asyncio
import contextlib

from cluster.gatewaylab import Gateway
from cluster.natslab import eventually as soon

from plumbline.streaming.client import Client, Gap, GoneError, Message, NoAnswerError, Options, RefusedError
from plumbline.streaming.client.backoff import BackoffPolicy
from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import Limits

BOTH = ("a", "b")
LIMITS = Limits(messages=20_000)
OPTIONS = Options(backoff=BackoffPolicy(0.01, 0.05, 0.5, 10.0), fail_back_s=3600.0, request_timeout_s=5.0)
WORDS = ("history_messages=20000", "history_bytes=16777216", "region_patience_s=0.3", "drain_s=0.3")
PATIENCE_S = 120  # a mirror goes on only some 20 s after home is back
PACE_S = 0.004  # between two publications of one publisher, so that history holds all of a test


async def eventually(true, what="it"):
    """Wait until this holds."""
    return await soon(true, what, PATIENCE_S)


class Reader:
    """Reads one channel and remembers each event."""

    def __init__(self, client, channel):
        self.client, self.channel = client, channel
        self.events = []
        self._subscription = client.subscribe(channel)
        self._task = asyncio.ensure_future(self._read())

    async def _read(self):
        with contextlib.suppress(GoneError):  # the test is over
            async for event in self._subscription:
                self.events.append(event)

    @property
    def messages(self):
        return [event for event in self.events if isinstance(event, Message)]

    @property
    def gaps(self):
        return [event for event in self.events if isinstance(event, Gap)]

    @property
    def last(self):
        return self.messages[-1].position if self.messages else None

    def of(self, epoch):
        """Return what came in this epoch, by offset; it came in order, once, without a hole."""
        found = [event for event in self.messages if event.position.epoch == epoch]
        offsets = [event.position.offset for event in found]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))) if offsets else True
        return {event.position.offset: event.data for event in found}


class Publisher:
    """Publishes numbers, one after the other, each until it is acknowledged, and keeps the ledger."""

    def __init__(self, client, channel, name):
        self.client, self.channel, self.name = client, channel, name
        self.ledger = {}  # position: data, of what was acknowledged
        self.going = True
        self._task = asyncio.ensure_future(self._publish())

    async def _publish(self):
        number = 0
        with contextlib.suppress(GoneError):  # the test is over
            while self.going:
                data = f"{self.name}-{number}"
                with contextlib.suppress(RefusedError, NoAnswerError):  # not acknowledged: again, with the same key
                    self.ledger[await self.client.publish(self.channel, data, key=data)] = data
                    number += 1
                await asyncio.sleep(PACE_S)

    async def stop(self):
        self.going = False
        await self._task


class World:
    """Region a is home, region b its mirror."""

    def __init__(self, folder, nats, stack):
        self.folder, self.nats, self.stack = folder, nats, stack
        self.readers, self.publishers = [], []

    async def begin(self, clients=4, channels=("x", "y")):
        self.a = await asyncio.to_thread(self.nats, domain="a")
        self.b = await asyncio.to_thread(self.nats, domain="b", leaf_of=self.a)
        self.at_b = await self.link(self.b)
        there = await self.link(self.a)
        await regions.create(there, "a", LIMITS)
        await there.close()
        await self.joined()
        await regions.follow(self.at_b, "b", "a")
        self.gate_a = await asyncio.to_thread(self._gateway, "a", self.a, "b")
        self.gate_b = await asyncio.to_thread(self._gateway, "b", self.b, "a")
        self.clients = [self.client() for _ in range(clients)]
        self.readers = [Reader(client, channel) for client in self.clients for channel in channels]
        self.channels = channels
        for channel in channels:
            await self._all_read(channel)

    async def _all_read(self, channel):
        """Publish until all readers of a channel hear it: their subscriptions stand."""
        here = [one for one in self.readers if one.channel == channel]
        while not all(one.messages for one in here):
            await self.clients[0].publish(channel, "begin")

    def _gateway(self, region, server, peer):
        words = [word for pair in WORDS for word in ("--set", pair)]
        words += ["--admin", str(self.admin(region))]
        one = Gateway(self.folder, f"gateway-{region}", server, "--region", region, "--peer", peer, *words)
        self.stack.callback(lambda: one.child.poll() is None and one.kill())
        return one

    def admin(self, region):
        return self.folder / f"{region}.sock"

    def client(self):
        client = Client([self.gate_a.url, self.gate_b.url], options=OPTIONS)
        self.stack.push_async_callback(client.close)
        return client

    async def link(self, server):
        link = Link([server.url])
        await link.open()
        self.stack.push_async_callback(link.close)
        return link

    async def joined(self):
        async def all_there():
            return self.at_b.up and all(state.role != "unreachable" for state in await regions.states(self.at_b, BOTH))

        await eventually(all_there, "both regions")

    async def load(self, count=3):
        """Publish from several clients, and return when all have been acknowledged some."""
        self.publishers = [
            Publisher(self.client(), self.channels[n % len(self.channels)], f"p{n}") for n in range(count)
        ]
        await self.more(40)

    async def more(self, count):
        """Wait until each publisher has had so many more acknowledged."""
        before = [len(one.ledger) for one in self.publishers]

        def there():
            return all(len(one.ledger) >= was + count for one, was in zip(self.publishers, before, strict=True))

        await eventually(there, f"{count} more acknowledged messages of each publisher")

    async def over_there(self):
        """Wait until all who read do so in region b."""

        def there():
            return all(one.connected and one.url == self.gate_b.url for c in self.clients for one in c.sockets)

        await eventually(there, "all clients in region b")

    async def quiet(self):
        """Stop the load, and wait until all readers have the newest of what was acknowledged."""
        await asyncio.gather(*(one.stop() for one in self.publishers))
        epochs = {channel: (await self.head(channel)).epoch for channel in self.channels}
        newest = {channel: max(self.ledger(channel, epochs[channel])) for channel in self.channels}

        def level():
            return all(
                one.last is not None
                and one.last.epoch == epochs[one.channel]
                and one.last.offset >= newest[one.channel]
                for one in self.readers
            )

        await eventually(level, "all readers at the newest message")

    def ledger(self, channel, epoch):
        """Return what was acknowledged in a channel's epoch, by offset."""
        acknowledged = [item for one in self.publishers if one.channel == channel for item in one.ledger.items()]
        return {position.offset: data for position, data in acknowledged if position.epoch == epoch}

    async def head(self, channel):
        """Return up to which position there is a channel, as the gateway says that the first client is connected to."""

        async def asked():
            with contextlib.suppress(RefusedError, NoAnswerError):
                return (await self.clients[0].history(channel, limit=1)).position

        return await eventually(asked, f"the head of {channel}")
