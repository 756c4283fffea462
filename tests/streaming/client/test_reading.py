"""How a reader takes what comes: buffers that block, drop or keep the newest, and callbacks."""

import asyncio

from plumbline.streaming.client import Gap

from .conftest import at


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
