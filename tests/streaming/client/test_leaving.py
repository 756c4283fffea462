"""Leaving a connection: the peer is gone, it asks us to go, or another region serves."""

import asyncio

from plumbline.streaming.client import Client


def test_a_peer_that_is_gone_without_a_word_is_noticed(scripted):
    async def test(gateway, client):
        async with client.subscribe("c"):
            gateway.links[0].transport.pause_reading()  # pings are no longer answered
            await gateway.until(lambda: gateway.opened == 2)
            assert client.counts.disconnected == 1

    scripted(test, ping_interval_s=0.05, ping_timeout_s=0.5)


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
