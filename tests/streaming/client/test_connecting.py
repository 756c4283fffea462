"""Coming back: when, where to, with what; and knowing when not to."""

import asyncio
import base64
import json
import ssl
import time

import pytest
import trustme

from plumbline.streaming.client import BackoffPolicy, Client, ClientError, GoneError, NoAnswerError, RefusedError
from plumbline.streaming.client.route import Route


def jwt(ends_in_s):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + ends_in_s}).encode()).decode().rstrip("=")
    return f"e30.{claims}.sig{ends_in_s}"


@pytest.mark.parametrize(("status", "said"), [(403, "HTTP 403: not here"), (404, "HTTP 404")])
def test_a_handshake_refused_for_good_ends_it_with_one_attempt(scripted, status, said):
    async def test(gateway, client):
        with pytest.raises(GoneError, match=said) as caught:
            await client.subscribe("c").ready()
        assert caught.value.code == status
        assert len(gateway.headers) == 1

    scripted(test, prepare=lambda gateway: gateway.refuse.append((status, {}, "not here\n")))


def test_a_refused_token_is_not_tried_again(scripted):
    async def test(gateway, client):
        with pytest.raises(GoneError, match="401"):
            await client.publish("c", 1)
        assert len(gateway.headers) == 1
        assert gateway.headers[0]["Authorization"] == "Bearer wrong"

    scripted(test, token="wrong", prepare=lambda gateway: gateway.refuse.extend([(401, {}, "no")] * 9))


def test_a_refused_token_is_asked_for_once_more_and_not_for_ever(scripted):
    tokens = iter(("first", "second", "third"))

    async def test(gateway, client):
        with pytest.raises(GoneError, match="401"):
            await client.publish("c", 1)
        assert [headers["Authorization"] for headers in gateway.headers] == ["Bearer first", "Bearer second"]

    scripted(test, token=lambda: next(tokens), prepare=lambda gateway: gateway.refuse.extend([(401, {}, "no")] * 9))


def test_a_token_closed_with_4501_does_not_loop(scripted):
    async def test(gateway, client):
        with pytest.raises(GoneError, match=r"4501 \(bad-token\): wrong key"):
            await client.publish("c", 1)
        assert gateway.opened == 1

    async def reject(link, _):
        await link.close(4501, "wrong key")

    scripted(test, token="t", prepare=lambda gateway: gateway.answers.update(publish=reject))


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


def test_a_peer_that_is_gone_without_a_word_is_noticed(scripted):
    async def test(gateway, client):
        async with client.subscribe("c"):
            gateway.links[0].transport.pause_reading()  # pings are no longer answered
            await gateway.until(lambda: gateway.opened == 2)
            assert client.counts.disconnected == 1

    scripted(test, ping_interval_s=0.05, ping_timeout_s=0.1)


def test_a_gateway_that_is_busy_talking_counts_as_alive(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            link = gateway.links[0]
            link.transport.pause_reading()
            for offset in range(1, 31):
                await gateway.message("c", offset)
                await anext(reader)
                await asyncio.sleep(0.02)
            assert gateway.opened == 1
            assert client.counts.disconnected == 0
            link.transport.resume_reading()

    scripted(test, ping_interval_s=0.05, ping_timeout_s=0.4)


def test_a_slow_reader_of_ours_is_not_taken_for_a_dead_peer(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", buffer=1) as reader:
            for offset in range(1, 400):
                await gateway.message("c", offset)
            await asyncio.sleep(0.5)  # many ping intervals
            assert gateway.opened == 1
            assert (await anext(reader)).position.offset == 1

    scripted(test, ping_interval_s=0.05, ping_timeout_s=0.05)


def test_a_notice_moves_the_session_before_the_old_connection_is_closed(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            await gateway.message("c", 1)
            old = gateway.links[0]
            notice = {"after_s": 0.05, "within_s": 30, "because": "drain"}
            await gateway.tell(old, reconnect=notice)
            await gateway.until(lambda: len(gateway.commands("subscribe")) == 2)
            assert gateway.heard[-1]["since"] == {"epoch": "e", "offset": 1}
            await gateway.until(lambda: old not in gateway.links)
            assert old.close_code == 1000
            assert client.counts.attempts_failed == 0
            assert (await anext(reader)).position.offset == 1

    scripted(test)


def test_while_no_successor_can_be_had_the_old_connection_serves(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            gateway.refuse.extend([(503, {}, "draining")] * 3)
            await gateway.tell(gateway.links[0], reconnect={"after_s": 0, "within_s": 30, "because": "drain"})
            await gateway.until(lambda: not gateway.refuse)
            await gateway.tell(gateway.links[0], channel="c", offset=1, data="still here")
            assert (await anext(reader)).data == "still here"
            await gateway.until(lambda: gateway.opened == 2)

    scripted(test)


def test_a_region_that_is_lost_is_left_and_returned_to(run, fast, gateway_of):
    async def test():
        first, second = await gateway_of(), await gateway_of()
        options = fast(fail_back_s=0.3, ping_interval_s=5)
        async with Client([first.url, second.url], options=options) as client, client.subscribe("c") as reader:
            await first.message("c", 1)
            assert (await anext(reader)).position.offset == 1
            port = first.port
            await first.stop()
            second.heads["c"] = 1
            await second.until(lambda: second.commands("subscribe"))
            assert second.heard[-1]["since"] == {"epoch": "e", "offset": 1}
            await second.message("c", 2)
            assert (await anext(reader)).position.offset == 2
            again = await gateway_of(port=port)
            again.heads["c"] = 2
            await again.until(lambda: again.commands("subscribe"))
            await second.until(lambda: not second.links)
            await again.message("c", 3)
            assert (await anext(reader)).position.offset == 3
            assert client.sockets[0].url == again.url
        await second.stop()
        await again.stop()

    run(test())


def test_a_region_that_refuses_for_good_leaves_the_others(run, fast, gateway_of):
    async def test():
        first, second = await gateway_of(), await gateway_of()
        first.refuse.extend([(404, {}, "")] * 9)
        async with Client([first.url, second.url], options=fast()) as client, client.subscribe("c"):
            assert len(first.headers) == 1
        await first.stop()
        await second.stop()

    run(test())


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


def test_a_fresh_token_is_shown_before_the_old_one_ends(scripted):
    given = []

    async def source():
        given.append(jwt(2 if not given else 3600))
        return given[-1]

    async def test(gateway, client):
        async with client.subscribe("c"):
            await gateway.until(lambda: gateway.commands("auth"))
            assert gateway.commands("auth")[0]["auth"] == given[1]
            assert gateway.opened == 1
        assert len(given) == 2

    scripted(test, token=source)


def test_a_fresh_token_that_is_refused_is_logged_and_the_connection_stays(scripted, caplog):
    given = []

    def source():
        given.append(jwt(1.5 if not given else 3600))
        return given[-1]

    async def test(gateway, client):
        async with client.subscribe("c"):
            await gateway.until(lambda: gateway.commands("auth"))
            await client.publish("c", 1)
            assert gateway.opened == 1

    def prepare(gateway):
        gateway.answers["auth"] = lambda *_: {"error": {"code": "bad-token", "message": "no"}}

    scripted(test, token=source, prepare=prepare)
    assert "did not take the fresh token" in caplog.text
    assert given[1] not in caplog.text


def test_a_token_callback_that_fails_is_called_again(scripted):
    calls = []

    def source():
        calls.append(1)
        if len(calls) < 3:
            raise OSError("vault is sealed")
        return "good"

    async def test(gateway, client):
        await client.publish("c", 1)
        assert gateway.headers[0]["Authorization"] == "Bearer good"
        assert client.counts.attempts_failed == 2

    scripted(test, token=source)


def test_a_publication_is_sent_again_with_its_key_on_the_next_connection(scripted):
    async def once_dead(link, command):
        if len(gateways[0].commands("publish")) == 1:
            link.transport.abort()
            return None
        return {"ok": True, "epoch": "e", "offset": 1}

    gateways = []

    async def test(gateway, client):
        gateways.append(gateway)
        position = await client.publish("c", {"x": 1}, key="k-1")
        assert position.offset == 1
        sent = gateway.commands("publish")
        assert [command["key"] for command in sent] == ["k-1", "k-1"]
        assert sent[0]["data"] == {"x": 1}

    scripted(test, prepare=lambda gateway: gateway.answers.update(publish=once_dead))


def test_publications_of_one_turn_share_a_message_and_keep_their_order(scripted):
    async def test(gateway, client):
        await asyncio.gather(*(client.publish("c", n) for n in range(10)))
        assert [command["data"] for command in gateway.commands("publish")] == list(range(10))
        assert len({command["key"] for command in gateway.commands("publish")}) == 10

    scripted(test)


def test_a_publication_refused_for_now_is_repeated_and_for_good_is_not(scripted):
    def answer(_, command):
        tries.append(command)
        if command["data"] == "never":
            return {"error": {"code": "not-allowed", "message": "no"}}
        return (
            {"error": {"code": "rate-limited", "message": "m"}}
            if len(tries) < 3
            else {"ok": True, "epoch": "e", "offset": 9}
        )

    tries = []

    async def test(gateway, client):
        assert (await client.publish("c", 1)).offset == 9
        assert len(tries) == 3
        with pytest.raises(RefusedError, match="not-allowed"):
            await client.publish("c", "never")
        assert len(tries) == 4

    scripted(test, prepare=lambda gateway: gateway.answers.update(publish=answer))


def test_a_publication_refused_for_longer_than_it_has_fails_with_the_gateways_reason(scripted):
    async def test(gateway, client):
        with pytest.raises(RefusedError, match="slow down") as caught:
            await client.publish("c", 1, timeout_s=5)
        assert caught.value.retry_after_s == 60

    def prepare(gateway):
        error = {"code": "rate-limited", "message": "slow down", "retry_after_s": 60}
        gateway.answers["publish"] = lambda *_: {"error": error}

    scripted(test, prepare=prepare)


def test_a_publication_without_an_answer_says_how_to_go_on(scripted):
    async def test(gateway, client):
        with pytest.raises(NoAnswerError, match="publish again with the same key"):
            await client.publish("c", 1, timeout_s=0.1)

    scripted(test, prepare=lambda gateway: gateway.answers.update(publish=lambda *_: None))


def test_a_message_that_the_gateway_would_not_take_is_not_sent(scripted):
    async def test(gateway, client):
        with pytest.raises(RefusedError, match="max_message_bytes"):
            await client.publish("c", "x" * 70_000)
        with pytest.raises(ValueError, match="JSON"):
            await client.publish("c", object())
        assert not gateway.commands("publish")

    scripted(test)


def test_a_cancelled_publication_waits_for_no_answer(scripted):
    async def test(gateway, client):
        publication = asyncio.ensure_future(client.publish("c", 1))
        await gateway.until(lambda: gateway.commands("publish"))
        publication.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publication
        async with client.subscribe("d"):
            gateway.links[0].transport.abort()
            await gateway.until(lambda: gateway.opened == 2)
            await client.publish("d", 2)
            assert [command["publish"] for command in gateway.commands("publish")] == ["c", "d"]

    def prepare(gateway):
        gateway.answers["publish"] = lambda _, command: (
            {"ok": True, "epoch": "e", "offset": 1} if command["publish"] == "d" else None
        )

    scripted(test, prepare=prepare)


def test_history_and_presence_are_read(scripted):
    async def test(gateway, client):
        past = await client.history("c", limit=2)
        assert [(message.position.offset, message.data) for message in past.messages] == [(4, "x"), (5, "y")]
        assert past.position.offset == 5
        assert gateway.heard[-1]["limit"] == 2
        here = await client.presence("c")
        assert here.count == 7
        assert here.members[0].user == "ada"

    def prepare(gateway):
        messages = [{"offset": 4, "data": "x"}, {"offset": 5, "data": "y"}]
        gateway.answers["history"] = lambda *_: {"ok": True, "epoch": "e", "offset": 5, "messages": messages}
        members = [{"client": "c1", "user": "ada", "since": 1.0}]
        gateway.answers["presence"] = lambda *_: {"ok": True, "clients": members, "count": 7}

    scripted(test, prepare=prepare)


@pytest.mark.parametrize("verb", ["history", "presence", "publish"])
def test_an_answer_that_cannot_be_read_is_an_error(scripted, verb):
    async def test(gateway, client):
        with pytest.raises(ClientError, match="answer"):
            await (client.publish("c", 1) if verb == "publish" else getattr(client, verb)("c"))

    answer = {"ok": True} if verb != "history" else {"ok": True, "epoch": "e", "offset": 1, "messages": [{}]}
    scripted(test, prepare=lambda gateway: gateway.answers.update({verb: lambda *_: answer}))
