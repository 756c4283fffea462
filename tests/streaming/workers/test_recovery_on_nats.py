"""Workers on NATS: one is killed under load, and its clients come back to another and miss nothing."""

import asyncio
import contextlib
import os
import signal

import pytest
from cluster.natslab import Server, eventually

from plumbline.streaming.client import (
    BackoffPolicy,
    Client,
    Gap,
    GoneError,
    Message,
    NoAnswerError,
    Options,
    RefusedError,
)

OPTIONS = Options(backoff=BackoffPolicy(0.01, 0.1, 1.0, 10.0))
READERS, PUBLISHERS = 12, 3


@pytest.fixture
def nats(tmp_path):
    server = Server(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


class Books:
    """What was acknowledged, and what each reader got."""

    def __init__(self, gateway):
        self.clients = [Client(gateway.url, options=OPTIONS) for _ in range(READERS + PUBLISHERS)]
        self.events = [[] for _ in range(READERS)]
        self.acknowledged = {}
        self.going = True
        readers = zip(self.clients, self.events, strict=False)
        self.tasks = [asyncio.ensure_future(self._read(client, events)) for client, events in readers]

    async def _read(self, client, events):
        with contextlib.suppress(GoneError):  # the test is over
            async for event in client.subscribe("c"):
                events.append(event)

    def publish(self):
        for number, client in enumerate(self.clients[READERS:]):
            self.tasks.append(asyncio.ensure_future(self._publish(client, number)))

    async def _publish(self, client, name):
        number = 0
        while self.going:
            data = f"{name}-{number}"
            with contextlib.suppress(RefusedError, NoAnswerError):  # again, with the same key
                self.acknowledged[(await client.publish("c", data, key=data)).offset] = data
                number += 1

    async def all_read(self):
        while not all(self.events):
            await self.clients[-1].publish("c", "begin")

    async def more(self, count):
        want = len(self.acknowledged) + count
        await eventually(lambda: len(self.acknowledged) >= want, f"{count} more acknowledged messages")

    async def end(self):
        self.going = False
        await asyncio.gather(*self.tasks[READERS:])
        last = max(self.acknowledged)
        await eventually(lambda: all(events[-1].position.offset >= last for events in self.events), "all read")
        for client in self.clients:
            await client.close()
        await asyncio.gather(*self.tasks)


def test_a_worker_killed_under_load_loses_nothing_and_its_clients_recover(fleet, nats):
    gateway = fleet("--workers", "2", "--broker", nats.url)

    async def main():
        books = Books(gateway)
        await books.all_read()
        books.publish()
        await books.more(200)
        fullest = max(gateway.rows(), key=lambda row: row["connections"])
        os.kill(fullest["pid"], signal.SIGKILL)
        await books.more(200)
        await books.end()
        return books

    books = asyncio.run(main())
    for events in books.events:
        assert not [event for event in events if isinstance(event, Gap)]
        heard = {event.position.offset: event.data for event in events if isinstance(event, Message)}
        assert [event.position.offset for event in events] == list(range(min(heard), max(heard) + 1))
        assert {offset: heard[offset] for offset in books.acknowledged} == books.acknowledged
        published = [data for data in heard.values() if data != "begin"]
        assert len(set(published)) == len(published)  # each was stored once, also those that were sent again
    assert sum(client.counts.recovered for client in books.clients) > 0
    assert gateway.ask(get="workers")["deaths"] == 1
