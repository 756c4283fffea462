"""The client and real gateway processes: killed, stopped, drained."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from plumbline.streaming.client import Client, Gap, Message
from plumbline.streaming.probes.adminclient import ask

from .conftest import eventually, offsets


class Child:
    """`python -m plumbline.streaming` as a process on a port of its own, so that another one can take its place."""

    def __init__(self, folder, *words, port=0, settings=()):
        self.admin = folder / "admin.sock"
        command = [sys.executable, "-m", "plumbline.streaming", "--listen", f"127.0.0.1:{port}", "--admin", self.admin]
        command += [word for pair in ("close_timeout_s=0.5", *settings) for word in ("--set", pair)]
        with (folder / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def child(tmp_path):
    """Return a function that starts a gateway as a process; it is stopped after the test."""
    with contextlib.ExitStack() as stack:

        def begin(*words, **options):
            one = Child(tmp_path, *words, **options)
            stack.callback(one.end)
            return one

        yield begin


def test_a_gateway_that_is_killed_and_started_again_leaves_a_gap_that_is_told(run, fast, child):
    async def test():
        first = await asyncio.to_thread(child)
        async with Client(first.url, options=fast()) as client, client.subscribe("c") as reader:
            await client.publish("c", "before")
            before = await anext(reader)
            first.signal(signal.SIGKILL)
            await asyncio.to_thread(first.end)
            publication = asyncio.ensure_future(client.publish("c", "meanwhile"))
            await asyncio.to_thread(child, port=first.port)
            gap = await anext(reader)
            assert isinstance(gap, Gap)
            assert gap.since == before.position
            assert gap.until.epoch != before.position.epoch
            position = await publication
            if position.offset > gap.until.offset:  # else it was stored before the subscription came back
                assert await anext(reader) == Message("c", position, "meanwhile")

    run(test())


def test_a_gateway_that_is_stopped_for_a_while_is_noticed_and_nothing_is_lost(run, fast, child):
    async def test():
        gateway = await asyncio.to_thread(child)
        options = fast(ping_interval_s=0.2, ping_timeout_s=0.3, open_timeout_s=0.5)
        async with Client(gateway.url, options=options) as client, client.subscribe("c") as reader:
            await client.publish("c", 1)
            gateway.signal(signal.SIGSTOP)
            publication = asyncio.ensure_future(client.publish("c", 2))
            await eventually(lambda: client.counts.disconnected)
            gateway.signal(signal.SIGCONT)
            assert (await publication).offset == 2
            assert await offsets(reader, 2) == [1, 2]
            assert client.counts.gaps == 0

    run(test())


def test_a_killed_worker_costs_no_message_and_doubles_none(run, fast, child):
    async def test():
        fleet = await asyncio.to_thread(child, "--workers", "2", settings=("commands_per_s=0",))
        readers, seen = [Client(fleet.url, options=fast()) for _ in range(4)], []
        writer = Client(fleet.url, options=fast(request_timeout_s=50))

        async def read(client):
            got = []
            async with client.subscribe("c") as reader:
                ready.release()
                async for event in reader:
                    assert isinstance(event, Message), event
                    got.append(event)
                    if event.data == 399:
                        break
            return got

        ready = asyncio.Semaphore(0)
        reading = [asyncio.ensure_future(read(client)) for client in readers]
        for _ in readers:
            await ready.acquire()
        for n in range(400):
            await writer.publish("c", n)
            if n in (100, 250):
                rows = (await asyncio.to_thread(ask, fleet.admin, {"get": "workers"}))["workers"]
                busiest = max((row for row in rows if row["state"] == "ready"), key=lambda row: row["connections"])
                os.kill(busiest["pid"], signal.SIGKILL)
        seen = await asyncio.gather(*reading)
        for got in seen:
            assert [event.data for event in got] == list(range(400))
            assert [event.position.offset for event in got] == list(range(1, 401))
        assert sum(client.counts.disconnected for client in (*readers, writer)) >= 2
        for client in (*readers, writer):
            await client.close()

    run(test())


def test_a_drained_worker_hands_its_clients_on_without_a_failed_attempt(run, fast, child):
    async def test():
        fleet = await asyncio.to_thread(child, "--workers", "2", settings=("drain_s=1", "drain_grace_s=0"))
        clients = [Client(fleet.url, options=fast()) for _ in range(6)]
        readers = [client.subscribe("c") for client in clients]
        for reader in readers:
            await reader.ready()
        assert (await clients[0].publish("c", 1)).offset == 1
        moved = asyncio.ensure_future(asyncio.to_thread(ask, fleet.admin, {"scale": 1}, 60))
        await eventually(lambda: any(client.counts.disconnected for client in clients))
        await moved
        assert (await clients[0].publish("c", 2)).offset == 2
        for reader in readers:
            assert await offsets(reader, 2) == [1, 2]
        assert sum(client.counts.gaps for client in clients) == 0
        for client in clients:
            await client.close()

    run(test())
