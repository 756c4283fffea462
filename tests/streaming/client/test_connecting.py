"""Coming to a gateway: which refusals are for now and which for good, and what a connection is made of."""

import asyncio
import ssl

import pytest
import trustme

from plumbline.streaming.client import BackoffPolicy, Client, GoneError
from plumbline.streaming.client.route import Route


@pytest.mark.parametrize(("status", "said"), [(403, "HTTP 403: not here"), (404, "HTTP 404")])
def test_a_handshake_refused_for_good_ends_it_with_one_attempt(scripted, status, said):
    async def test(gateway, client):
        with pytest.raises(GoneError, match=said) as caught:
            await client.subscribe("c").ready()
        assert caught.value.code == status
        assert len(gateway.headers) == 1

    scripted(test, prepare=lambda gateway: gateway.refuse.append((status, {}, "not here\n")))


def test_503_with_retry_after_is_waited_for(scripted):
    async def test(gateway, client):
        loop = asyncio.get_running_loop()
        reader = client.subscribe("c")
        await gateway.until(lambda: len(gateway.headers) == 1)
        refused_at = loop.time()
        client.network_returned()  # must not shorten what the gateway asked for
        await reader.ready()
        assert loop.time() - refused_at >= 0.99
        assert len(gateway.headers) == 2
        assert client.counts.attempts_failed == 1

    scripted(test, prepare=lambda gateway: gateway.refuse.append((503, {"Retry-After": "1"}, "full")))


def test_the_return_of_the_network_shortens_a_backoff(scripted, monkeypatch):
    async def test(gateway, client):
        reader = client.subscribe("c")
        async with asyncio.timeout(20):
            confirmed = asyncio.ensure_future(reader.ready())
            while not confirmed.done():
                client.network_returned()
                await asyncio.wait([confirmed], timeout=0.01)

    monkeypatch.setattr(Route, "jitter_s", lambda _: 0.001)
    an_hour = BackoffPolicy(floor_s=3599, base_s=3600, cap_s=3600, stable_s=1)
    scripted(test, prepare=lambda gateway: gateway.refuse.append((503, {}, "full")), backoff=an_hour)


def test_a_server_without_the_protocol_is_left_at_once(scripted):
    async def test(gateway, client):
        with pytest.raises(GoneError, match=r"does not speak plumbline\.v2"):
            await client.subscribe("c").ready()

    scripted(test, prepare=lambda gateway: gateway.subprotocols.clear())


def test_a_server_that_does_not_greet_is_tried_again(scripted):
    async def test(gateway, client):
        reader = client.subscribe("c")
        await gateway.until(lambda: gateway.opened >= 2)
        gateway.hello = {"client": "late"}
        await reader.ready()
        assert client.sockets[0].client == "late"

    scripted(test, prepare=lambda gateway: setattr(gateway, "hello", None), request_timeout_s=0.1)


@pytest.mark.parametrize("text", ["no json", "[1]", '{"channel": 1, "offset": 2}', '{"reconnect": {"after_s": "x"}}'])
def test_a_server_that_talks_nonsense_is_left_and_tried_again(scripted, text):
    async def test(gateway, client):
        async with client.subscribe("c"):
            await gateway.links[0].send(text)
            await gateway.until(lambda: gateway.opened == 2)

    scripted(test)


def test_headers_and_certificates_are_used(run, fast, gateway_of):
    async def test():
        authority = trustme.CA()
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(inside)
        gateway = await gateway_of(ssl=inside)
        url = gateway.url.replace("ws://", "wss://")
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with Client(url, options=fast(tls=trusting, headers={"X-Team": "ml"})) as client, client.subscribe("c"):
            assert gateway.headers[0]["X-Team"] == "ml"
        async with Client(url, options=fast()) as client:
            with pytest.raises(GoneError, match="is not trusted"):
                await client.subscribe("c").ready()
        await gateway.stop()

    run(test())


def test_an_address_that_cannot_be_used_is_said_without_its_secrets(run, fast):
    async def test():
        async with Client("http://me:secret@127.0.0.1:1/?token=hidden", options=fast()) as client:
            with pytest.raises(GoneError, match="cannot be used") as caught:
                await client.subscribe("c").ready()
        assert "secret" not in str(caught.value)
        assert "hidden" not in str(caught.value)

    run(test())
