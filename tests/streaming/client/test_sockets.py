"""Many channels on few sockets."""

import pytest

from plumbline.streaming.client import FullError


def test_many_channels_share_few_sockets_evenly(scripted):
    async def test(gateway, client):
        readers = [client.subscribe(f"c{n}") for n in range(95)]
        for reader in readers:
            await reader.ready()
        assert len(client.sockets) == gateway.opened == 10
        assert max(socket.channels for socket in client.sockets) == 10
        assert all(socket.connected and socket.client == "s1" for socket in client.sockets)

    scripted(test, subscriptions_per_socket=10)


def test_a_gateway_that_takes_fewer_channels_is_obeyed(scripted):
    def answer(link, command):
        held = taken.setdefault(link, [])
        if len(held) == 4:
            return {"error": {"code": "too-many-subscriptions", "message": "4"}}
        held.append(command)
        return {"ok": True, "epoch": "e", "offset": 0}

    taken = {}

    async def test(gateway, client):
        for reader in [client.subscribe(f"c{n}") for n in range(12)]:
            await reader.ready()
        assert sorted(len(held) for held in taken.values()) == [4, 4, 4]

    scripted(test, prepare=lambda gateway: gateway.answers.update(subscribe=answer))


def test_more_channels_than_fit_are_refused_with_a_hint(scripted):
    async def test(gateway, client):
        client.subscribe("a")
        with pytest.raises(FullError, match="max_sockets"):
            client.subscribe("b")

    scripted(test, subscriptions_per_socket=1, max_sockets=1)


def test_a_channel_that_fits_nowhere_after_all_ends(scripted):
    async def test(gateway, client):
        with pytest.raises(FullError):
            await client.subscribe("a").ready()

    def prepare(gateway):
        gateway.answers["subscribe"] = lambda *_: {"error": {"code": "too-many-subscriptions", "message": "0"}}

    scripted(test, prepare=prepare, max_sockets=2)


def test_an_idle_socket_is_closed_and_opened_again_when_needed(scripted):
    async def test(gateway, client):
        async with client.subscribe("c"):
            pass
        await gateway.until(lambda: gateway.opened == 1 and not gateway.links)
        assert client.sockets == []
        async with client.subscribe("c"):
            assert gateway.opened == 2

    scripted(test, idle_s=0.05)
