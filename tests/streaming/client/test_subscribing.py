"""Subscriptions: shared, recovered, refused, ended."""

import pytest

from plumbline.streaming.client import Client, Gap, GoneError, Joined, Left, Message, NoAnswerError, RefusedError

from .conftest import at


def test_readers_of_one_channel_share_one_subscription(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as one, client.subscribe("c") as other:
            await gateway.message("c", 1, "x")
            assert await anext(one) == await anext(other) == Message("c", at(1), "x")
            assert len(gateway.commands("subscribe")) == 1
            one.close()
            await gateway.message("c", 2, "y")
            assert (await anext(other)).data == "y"
            assert not gateway.commands("unsubscribe")
        await gateway.until(lambda: gateway.commands("unsubscribe"))
        with pytest.raises(StopAsyncIteration):
            await anext(one)

    scripted(test)


def test_a_lost_connection_goes_on_after_the_last_message(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            await gateway.message("c", 1)
            assert (await anext(reader)).position == at(1)
            gateway.links[0].transport.abort()
            await gateway.until(lambda: len(gateway.commands("subscribe")) == 2)
            assert gateway.heard[-1]["since"] == {"epoch": "e", "offset": 1}
            await gateway.message("c", 2)
            assert (await anext(reader)).position == at(2)
            assert client.counts.recovered == 1

    scripted(test)


def test_history_that_does_not_reach_back_is_told_as_a_gap(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", since=at(5)) as reader:
            assert await anext(reader) == Gap("c", at(5), at(9), "history-lost")
            await gateway.message("c", 10)
            assert (await anext(reader)).position == at(10)
            assert client.counts.gaps == 1

    def prepare(gateway):
        gateway.answers["subscribe"] = lambda *_: {"ok": True, "epoch": "e", "offset": 9, "recovered": False}

    scripted(test, prepare=prepare)


def test_a_missing_offset_on_a_live_connection_is_fetched_again(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            await gateway.message("c", 1)
            await gateway.message("c", 3)  # 2 is missing
            await gateway.until(lambda: len(gateway.commands("subscribe")) == 2)
            assert gateway.heard[-1]["since"] == {"epoch": "e", "offset": 1}
            await gateway.message("c", 2)
            await gateway.message("c", 3)
            assert [(await anext(reader)).position.offset for _ in range(3)] == [1, 2, 3]
            assert client.counts.holes == 1

    scripted(test)


def test_a_message_that_comes_twice_is_given_once(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            for offset in (1, 1, 2, 1, 3):
                await gateway.message("c", offset)
            assert [(await anext(reader)).position.offset for _ in range(3)] == [1, 2, 3]
            assert client.counts.duplicates == 2

    scripted(test)


def test_a_subscription_that_the_gateway_ends_is_taken_up_again_if_it_says_so(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            await gateway.message("c", 1)
            ended = {"code": "insufficient-state", "message": "m", "again": True}
            await gateway.tell(gateway.links[0], channel="c", ended=ended)
            await gateway.until(lambda: len(gateway.commands("subscribe")) == 2)
            await gateway.message("c", 2)
            assert [(await anext(reader)).position.offset for _ in range(2)] == [1, 2]

    scripted(test)


def test_a_subscription_that_ends_for_good_raises_the_gateways_sentence(scripted):
    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            await gateway.tell(
                gateway.links[0], channel="c", ended={"code": "expired", "message": "over", "again": False}
            )
            with pytest.raises(RefusedError, match=r"over \(expired\)"):
                await anext(reader)

    scripted(test)


def test_a_refused_subscription_says_why(scripted):
    async def test(gateway, client):
        with pytest.raises(RefusedError, match="not yours") as caught:
            async with client.subscribe("c"):
                pass
        assert caught.value.code == "not-allowed"

    def prepare(gateway):
        gateway.answers["subscribe"] = lambda *_: {"error": {"code": "not-allowed", "message": "not yours"}}

    scripted(test, prepare=prepare)


def test_a_subscription_refused_for_now_is_repeated(scripted):
    def answer(_, command):
        if len(asked) < 2:
            asked.append(command)
            return {"error": {"code": "unavailable", "message": "m", "retry_after_s": 0.01}}
        return {"ok": True, "epoch": "e", "offset": 0}

    asked = []

    async def test(gateway, client):
        async with client.subscribe("c") as reader:
            assert await reader.ready() == at(0)
        assert len(asked) == 2

    scripted(test, prepare=lambda gateway: gateway.answers.update(subscribe=answer))


def test_a_reader_who_wants_every_message_changes_a_subscription_to_the_latest(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", mode="latest"):
            assert gateway.heard[0]["mode"] == "latest"
            async with client.subscribe("c", join=True) as reader:
                await gateway.until(lambda: len(gateway.commands("subscribe")) == 2)
                assert gateway.heard[-1] == {
                    "id": 3,
                    "subscribe": "c",
                    "since": {"epoch": "e", "offset": 0},
                    "join": True,
                }
                await gateway.until(lambda: True)
                member = {"client": "x", "user": None, "since": 1.5}
                await gateway.tell(gateway.links[0], channel="c", joined=member)
                await gateway.tell(gateway.links[0], channel="c", left=member)
                assert isinstance(await anext(reader), Joined)
                assert (left := await anext(reader)).member.client == "x"
                assert isinstance(left, Left)

    scripted(test)


def test_a_closed_client_says_so(run, fast):
    async def test():
        client = Client("ws://127.0.0.1:1/", options=fast())
        reader = client.subscribe("c")
        await client.close()
        with pytest.raises(GoneError, match="was closed"):
            await anext(reader)
        with pytest.raises(GoneError, match="is closed"):
            client.subscribe("c")
        with pytest.raises(GoneError, match="is closed"):
            await client.publish("c", 1)

    run(test())


@pytest.mark.parametrize("bad", [{"mode": "some"}, {"policy": "wait"}, {"buffer": 0}])
def test_a_wrong_option_is_refused_at_once(scripted, bad):
    async def test(_, client):
        with pytest.raises(ValueError, match=r"some|wait|at least one"):
            client.subscribe("c", **bad)
        with pytest.raises(ValueError, match="white space"):
            client.subscribe("a channel")

    scripted(test)


def test_a_gateway_that_does_not_answer_a_subscription_is_left(scripted):
    async def test(gateway, client):
        async with client.subscribe("c"):
            assert gateway.opened == 2

    def prepare(gateway):
        def answer(*_):
            if gateway.opened == 1:
                return None
            return {"ok": True, "epoch": "e", "offset": 0}

        gateway.answers["subscribe"] = answer

    scripted(test, prepare=prepare, request_timeout_s=0.2)


def test_a_request_without_an_answer_fails_in_time(scripted):
    async def test(gateway, client):
        with pytest.raises(NoAnswerError, match="presence was not answered within"):
            await client.presence("c")

    scripted(test, prepare=lambda gateway: gateway.answers.update(presence=lambda *_: None), request_timeout_s=0.2)
