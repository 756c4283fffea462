"""The client and the real gateway: killed, stopped, drained, too fast, full, and with tokens."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import jwt
import pytest

from plumbline.streaming import Gateway, Settings
from plumbline.streaming.client import Client, Gap, GoneError, Joined, Left, Message, Position, RefusedError
from plumbline.streaming.probes.adminclient import ask

SECRET = "s" * 40


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


async def eventually(true):
    """Wait until something is true; the test's own patience ends it if it never is."""
    while not true():  # noqa: ASYNC110 - another program's doing has no event here
        await asyncio.sleep(0.01)


async def offsets(reader, count):
    return [(await anext(reader)).position.offset for _ in range(count)]


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


def test_a_slow_reader_that_is_closed_with_4008_recovers_every_message(run, fast, caplog):
    caplog.set_level("INFO", "plumbline.client")

    async def test():
        settings = Settings(
            queue_max_bytes=16384, send_buffer_bytes=4096, history_messages=10_000, history_bytes=16 << 20
        )
        async with (
            Gateway(settings) as gateway,
            Client(gateway.url, options=fast()) as client,
            client.subscribe("c", buffer=1) as reader,
        ):
            for n in range(1, 1501):
                await gateway.publish("c", {"n": n, "fill": "x" * 2000})
            await eventually(lambda: gateway.stats()["closes"].get("slow-consumer"))
            assert await offsets(reader, 1500) == list(range(1, 1501))
            assert client.counts.gaps == 0
            assert gateway.stats()["recoveries"] == {"recovered": 1}
            assert gateway.stats()["closes"] == {"slow-consumer": 1}

    run(test())
    assert "4008 (slow-consumer)" in caplog.text


def test_two_thousand_subscriptions_need_at_most_twenty_sockets(run, fast):
    async def test():
        settings = Settings(commands_per_s=0)
        async with Gateway(settings) as gateway, Client(gateway.url, options=fast()) as client:
            readers = [client.subscribe(f"channel-{n}") for n in range(2000)]
            for reader in readers:
                await reader.ready()
            assert gateway.stats()["connections"] == len(client.sockets) <= 20
            assert gateway.stats()["subscriptions"] == 2000
            for n in range(2000):
                await gateway.publish(f"channel-{n}", n)
            assert [(await anext(reader)).data for reader in readers] == list(range(2000))

    run(test())


def test_the_gateways_limits_are_learned_from_its_greeting_and_kept(run, fast):
    async def test():
        settings = Settings(max_batch=3, max_subscriptions=10, max_message_bytes=300)
        async with Gateway(settings) as gateway, Client(gateway.url, options=fast()) as client:
            first = client.subscribe("channel-0")
            await first.ready()
            readers = [first, *(client.subscribe(f"channel-{n}") for n in range(1, 25))]
            for reader in readers:
                await reader.ready()
            assert len(client.sockets) == 3
            assert gateway.stats()["errors"] == {}, "nothing was tried that the gateway does not take"
            await asyncio.gather(*(client.publish(f"channel-{n}", "x" * 100) for n in range(25)))
            with pytest.raises(RefusedError, match="this gateway takes 300"):
                await client.publish("channel-0", "x" * 300)
            assert gateway.stats()["closes"] == {}

    run(test())


def test_a_full_gateway_says_when_to_come_back_and_is_obeyed(run, fast):
    async def test():
        async with Gateway(Settings(max_connections=1)) as gateway:
            async with Client(gateway.url, options=fast()) as first, first.subscribe("c"):
                second = Client(gateway.url, options=fast())
                reader = second.subscribe("c")
                await eventually(lambda: second.counts.attempts_failed)
                assert "503" in second.sockets[0].trouble
                refused = second.counts.attempts_failed
            await reader.ready()
            assert second.counts.attempts_failed <= refused + 1  # Retry-After is at least a second
            await second.close()

    run(test())


def test_a_bad_token_is_shown_once(run, fast, tmp_path):
    (tmp_path / "secret").write_text(SECRET)

    async def test():
        async with Gateway(Settings(token_keys=str(tmp_path / "secret"))) as gateway:
            async with Client(gateway.url, token="not.a.token", options=fast()) as client:
                with pytest.raises(GoneError, match="401"):
                    await client.subscribe("c").ready()
            assert sum(gateway.stats()["rejected"].values()) == 1
            assert gateway.stats()["connections"] == 0

    run(test())


def test_tokens_are_renewed_on_the_living_connection_and_permissions_are_kept(run, fast, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    given = []

    def source():
        claims = {"exp": time.time() + 2, "sub": "ada", "channels": {"subscribe": ["c"], "publish": ["c"]}}
        given.append(jwt.encode(claims, SECRET, "HS256"))
        return given[-1]

    async def test():
        settings = Settings(token_keys=str(tmp_path / "secret"), token_leeway_s=0)
        async with Gateway(settings) as gateway, Client(gateway.url, token=source, options=fast()) as client:
            async with client.subscribe("c") as reader:
                await eventually(lambda: len(given) >= 3)
                await client.publish("c", "still here")
                assert (await anext(reader)).data == "still here"
                assert client.counts.disconnected == 0
            with pytest.raises(RefusedError, match="not-allowed"):
                await client.subscribe("other").ready()

    run(test())


def test_the_same_key_is_stored_once_and_history_tells(run, fast):
    async def test():
        async with Gateway() as gateway, Client(gateway.url, options=fast()) as client:
            first = await client.publish("c", "x", key="order-1")
            assert await client.publish("c", "x", key="order-1") == first
            past = await client.history("c")
            assert [message.data for message in past.messages] == ["x"]
            lost = await client.history("c", since=Position("other", 3))
            assert lost.recovered is False

    run(test())


def test_a_burst_beyond_the_rate_is_held_back_and_nobody_is_closed(run, fast):
    async def test():
        settings = Settings(commands_per_s=200, burst_s=1, history_messages=1000)
        async with Gateway(settings) as gateway, Client(gateway.url, options=fast()) as client:
            await asyncio.gather(*(client.publish("c", n) for n in range(500)))
            assert sum(gateway.stats()["closes"].values()) == 0
            past = await client.history("c")
            assert sorted(message.data for message in past.messages) == list(range(500))
            assert client.counts.retried > 0

    run(test())


def test_who_comes_and_goes_is_told_to_those_who_joined(run, fast):
    async def test():
        options = {"options": fast()}
        async with Gateway() as gateway, Client(gateway.url, **options) as client:
            reader = client.subscribe("room", join=True)
            await reader.ready()
            async with Client(gateway.url, **options) as guest, guest.subscribe("room", join=True):
                name = guest.sockets[0].client
                while (event := await anext(reader)).member.client != name:
                    pass
                assert isinstance(event, Joined)
                assert {member.client for member in (await client.presence("room")).members} >= {name}
            while (event := await anext(reader)).member.client != name:
                pass
            assert isinstance(event, Left)

    run(test())


def test_nobody_listening_is_tried_again_until_somebody_does(run, fast):
    async def test():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}/", options=fast()) as client:
            reader = client.subscribe("c")
            await eventually(lambda: client.counts.attempts_failed >= 3)
            async with Gateway(listen=f"127.0.0.1:{port}"):
                await reader.ready()

    run(test())
