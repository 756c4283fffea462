"""Reading channels: shared subscriptions, buffers, snapshots, and going on after an interruption."""

import asyncio

import pytest

from plumbline.streaming.client import (
    Client,
    FullError,
    Gap,
    GoneError,
    Joined,
    Left,
    Message,
    NoAnswerError,
    Position,
    RefusedError,
    Snapshot,
)


def at(offset, epoch="e"):
    return Position(epoch, offset)


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


def test_a_full_buffer_that_drops_says_what_is_missing(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", buffer=2, policy="drop") as slow, client.subscribe("c") as quick:
            for offset in range(1, 6):
                await gateway.message("c", offset)
            for _ in range(5):
                await anext(quick)
            assert await anext(slow) == Gap("c", None, at(3), "buffer-full")
            assert [(await anext(slow)).position.offset for _ in range(2)] == [4, 5]
            assert slow.dropped == client.counts.dropped == 3

    scripted(test)


def test_a_reader_of_the_latest_gets_the_newest_message(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", policy="latest") as slow, client.subscribe("c") as quick:
            for offset in range(1, 6):
                await gateway.message("c", offset)
            for _ in range(5):
                await anext(quick)
            assert (await anext(slow)).position.offset == 5
            assert slow.waiting == 0

    scripted(test)


def test_a_reader_that_blocks_holds_up_the_socket_and_loses_nothing(scripted):
    async def test(gateway, client):
        async with client.subscribe("c", buffer=1) as reader:
            for offset in range(1, 2001):
                await gateway.message("c", offset, "x" * 100)
            assert reader.waiting <= 2
            assert [(await anext(reader)).position.offset for _ in range(2000)] == list(range(1, 2001))

    scripted(test)


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


def test_a_state_is_read_after_the_position_and_before_the_messages(scripted):
    async def test(gateway, client):
        async def state(channel):
            await gateway.message(channel, 8, "during")
            await gateway.until(lambda: True)
            return {"built": channel}

        async with client.subscribe("c", snapshot=state) as reader:
            assert await anext(reader) == Snapshot("c", at(7), {"built": "c"})
            assert await anext(reader) == Message("c", at(8), "during")

    scripted(test, prepare=lambda gateway: gateway.heads.update(c=7))


def test_a_gap_is_followed_by_a_fresh_state(scripted):
    states = iter(("first", "second"))

    async def state(_):
        return next(states)

    async def test(gateway, client):
        async with client.subscribe("c", snapshot=state) as reader:
            assert (await anext(reader)).state == "first"
            gateway.answers["subscribe"] = lambda *_: {"ok": True, "epoch": "new", "offset": 3, "recovered": False}
            gateway.links[0].transport.abort()
            assert await anext(reader) == Gap("c", at(0), at(3, "new"), "history-lost")
            assert await anext(reader) == Snapshot("c", at(3, "new"), "second")
            await gateway.message("c", 4)
            assert (await anext(reader)).position == at(4, "new")

    scripted(test)


def test_an_error_while_fetching_the_state_reaches_the_reader(scripted):
    async def state(_):
        raise LookupError("no such model")

    async def test(gateway, client):
        async with client.subscribe("c", snapshot=state) as reader:
            with pytest.raises(LookupError, match="no such model"):
                await anext(reader)

    scripted(test)


def test_a_late_reader_gets_what_went_before_without_a_seam(scripted):
    async def history(link, command):
        await gateways[0].message("c", 6, "live")  # comes while history is read
        messages = [{"offset": n, "data": n} for n in range(command["since"]["offset"] + 1, 6)]
        return {"ok": True, "epoch": "e", "offset": 5, "recovered": True, "messages": messages}

    gateways = []

    async def test(gateway, client):
        gateways.append(gateway)
        async with client.subscribe("c") as early, client.subscribe("c", since=at(2)) as late:
            assert [(await anext(late)).position.offset for _ in range(4)] == [3, 4, 5, 6]
            assert (await anext(early)).position.offset == 6
            await gateway.message("c", 7)
            assert (await anext(late)).position.offset == (await anext(early)).position.offset == 7

    def prepare(gateway):
        gateway.heads["c"] = 5
        gateway.answers["history"] = history

    scripted(test, prepare=prepare)


def test_a_late_reader_whose_past_is_gone_is_told_of_the_gap_and_gets_a_state(scripted):
    async def state(_):
        return "s"

    async def test(gateway, client):
        async with client.subscribe("c"), client.subscribe("c", since=at(2), snapshot=state) as late:
            assert await anext(late) == Gap("c", at(2), at(5), "history-lost")
            assert await anext(late) == Snapshot("c", at(5), "s")
            await gateway.message("c", 6)
            assert (await anext(late)).position.offset == 6

    def prepare(gateway):
        gateway.heads["c"] = 5
        gateway.answers["history"] = lambda *_: {
            "ok": True,
            "epoch": "e",
            "offset": 5,
            "recovered": False,
            "messages": [],
        }

    scripted(test, prepare=prepare)


def test_a_callback_gets_every_event_in_order(scripted):
    async def test(gateway, client):
        seen, enough = [], asyncio.Event()

        async def note(event):
            await asyncio.sleep(0)
            seen.append(event.position.offset)
            if len(seen) == 3:
                enough.set()

        await client.listen("c", note).ready()
        for offset in (1, 2, 3):
            await gateway.message("c", offset)
        await enough.wait()
        assert seen == [1, 2, 3]

    scripted(test)


def test_an_exception_of_a_callback_ends_its_subscription_and_is_reported(scripted):
    async def test(gateway, client):
        told = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.set_result(context))

        def fail(event):
            raise KeyError(event.data)

        await client.listen("c", fail).ready()
        await gateway.message("c", 1, "boom")
        assert isinstance((await told)["exception"], KeyError)
        await gateway.until(lambda: gateway.commands("unsubscribe"))

    scripted(test)


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
