"""A state or the past first, then what is new, without a seam between them."""

import pytest

from plumbline.streaming.client import Gap, Message, Snapshot

from .conftest import at


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
