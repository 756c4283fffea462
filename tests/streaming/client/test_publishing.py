"""Publications and other requests: sent again with their key, refused, cancelled, or without an answer."""

import asyncio

import pytest

from plumbline.streaming.client import ClientError, NoAnswerError, RefusedError


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
