"""Two regions on real servers, with a broker in each."""

from cluster.natslab import eventually
from contracts.broker import Recorder

from plumbline.streaming import Settings
from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.regions import follow, states
from plumbline.streaming.cluster.streams import Limits

BOTH = ("a", "b")
SETTINGS = Settings(history_messages=10_000, history_bytes=1 << 24)
LIMITS = Limits(messages=10_000)


class Regions:
    """Two servers, a broker in each, and a link of the operator's to each."""

    def __init__(self, nats, stack):
        self.a = nats(domain="a")
        self.b = nats(domain="b", leaf_of=self.a)
        self.stack = stack

    async def link(self, server):
        link = Link([server.url])
        await link.open()
        self.stack.push_async_callback(link.close)
        return link

    async def begin(self):
        """Make a the home and b its mirror."""
        self.at_a, self.at_b = await self.link(self.a), await self.link(self.b)
        await regions.create(self.at_a, "a", LIMITS)
        await self.joined()
        await follow(self.at_b, "b", "a")

    async def joined(self):
        """Wait until each region is reached from b."""

        async def all_there():
            return all(state.role != "unreachable" for state in await states(self.at_b, BOTH))

        await eventually(all_there)

    async def broker(self, region):
        server = self.a if region == "a" else self.b
        peer = "b" if region == "a" else "a"
        broker = NatsBroker(ClusterOptions((server.url,), region=region, peers=(peer,), limits=LIMITS), SETTINGS)
        receiver = Recorder()
        await broker.start(receiver)
        self.stack.push_async_callback(broker.stop)
        return broker, receiver

    async def mirrored(self):
        """Wait until b's server is connected again and has its mirror."""

        async def there():
            return self.at_b.up and (await states(self.at_b, ["b"]))[0].role == "mirror"

        await eventually(there)

    async def level(self):
        """Wait until the mirror has all that home has."""

        async def same():
            home, mirror = await states(self.at_b, BOTH)
            return home.last == mirror.last and mirror.lag == 0

        await eventually(same)

    async def roles(self, link):
        return [state.role for state in await states(link, BOTH)]
