"""The client and the real gateway: too slow, too fast, full, and with tokens."""

import asyncio
import socket
import time

import jwt
import pytest

from plumbline.streaming import Gateway, Settings
from plumbline.streaming.client import Client, GoneError, Joined, Left, Position, RefusedError

from .conftest import eventually, offsets

SECRET = "s" * 40


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
