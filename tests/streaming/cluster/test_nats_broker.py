"""The cluster's broker keeps the contract; and what only a cluster has: several gateways that publish and read."""

import asyncio
import contextlib

import pytest
from cluster.brokerlab import publish_all, with_brokers
from cluster.natslab import eventually
from contracts.broker import BrokerContract, Opened, ask, fill

from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.subjects import stored
from plumbline.streaming.core.broker import BrokerError, Member


class TestNatsBroker(BrokerContract):
    @pytest.fixture(autouse=True)
    def _server(self, nats):
        self.server = nats()

    @contextlib.asynccontextmanager
    async def open(self, settings, receiver):
        broker = NatsBroker(ClusterOptions(servers=(self.server.url,)), settings)
        await broker.start(receiver)

        async def interrupt():
            self.server.kill()
            await asyncio.to_thread(self.server.start)

        async def renew(channel):
            await broker.link.api("STREAM.PURGE.PLUMBLINE", {"filter": stored(channel)})

        yield Opened(broker, interrupt=interrupt, renew=renew)
        await broker.stop()


def test_two_gateways_publishing_at_once_make_one_row_without_a_hole(nats):
    async def test(one, other):
        (first, at_first), (second, at_second) = one, other
        attached = await ask(first.attach, "c")
        assert await ask(second.attach, "c") == attached
        told = []
        for number in range(300):
            for broker, name in ((first, "x"), (second, "y")):
                told += publish_all(broker, "c", [b'"%s%d"' % (name.encode(), number)])
            if number % 10 == 0:
                await asyncio.sleep(0)
        positions = await asyncio.gather(*told)
        assert sorted(position.offset for position in positions) == list(range(1, 601))
        for receiver in (at_first, at_second):
            await receiver.until(lambda: len(receiver.of("c")) == 600)  # noqa: B023 - awaited in this turn
            assert receiver.offsets("c") == list(range(1, 601))
        assert at_first.of("c") == at_second.of("c")
        for name in "xy":  # each publisher's messages stay in its order
            own = [data for _, data in at_first.of("c") if data.startswith(b'"%s' % name.encode())]
            assert own == [b'"%s%d"' % (name.encode(), number) for number in range(300)]
        assert first.stats()["publish_messages"] + second.stats()["publish_messages"] == 600

    with_brokers(2, nats(), test)


def test_what_is_published_together_is_stored_together(nats):
    async def test(one):
        broker, _ = one
        await ask(broker.head, "c")
        await asyncio.gather(*publish_all(broker, "c", [b"%d" % number for number in range(512)]))
        assert broker.stats()["publish_messages"] == 512
        assert broker.stats()["publish_blocks"] <= 4  # one under way, the others behind it

    with_brokers(1, nats(), test)


def test_no_acknowledged_message_is_lost_or_doubled_when_the_server_dies_under_load(nats):
    server = nats()

    async def test(one, other):
        (publisher, _), (reader, heard) = one, other
        await ask(reader.attach, "c")
        told = []

        async def load():
            for number in range(3000):
                told.extend(publish_all(publisher, "c", [b"%d" % number]))
                if number % 5 == 0:
                    await asyncio.sleep(0.001)

        task = asyncio.ensure_future(load())
        await heard.until(lambda: len(heard.of("c")) > 200)
        server.kill()
        await asyncio.to_thread(server.start)
        await task
        answers = await asyncio.gather(*told)
        stored = {answer.offset: number for number, answer in enumerate(answers) if not isinstance(answer, BrokerError)}
        failed = [answer for answer in answers if isinstance(answer, BrokerError)]
        assert {error.code for error in failed} <= {"unavailable"}
        await heard.until(lambda: heard.interruptions)
        known = heard.of("c")[-1][0]
        attached = await ask(reader.attach, "c")
        assert attached.epoch == known.epoch
        kept = await reader.kept("c")
        history = {entry.offset: int(entry.data) for entry, _ in kept.rows}
        assert {offset: history[offset] for offset in stored} == stored
        assert len(set(history.values())) == len(history)  # nothing twice
        assert list(history) == list(range(1, len(history) + 1))  # no hole
        live = {position.offset: int(data) for position, data in heard.of("c")}
        assert {offset: history[offset] for offset in live} == live

    with_brokers(2, server, test)


def test_a_thousand_who_come_back_cost_one_read(nats):
    async def test(one):
        broker, _ = one
        positions = await fill(broker, "c", 4)
        pasts = await asyncio.gather(*(ask(broker.past, "c", positions[1], 100) for _ in range(1000)))
        assert all([entry.offset for entry in past.entries] == [3, 4] for past in pasts)
        assert broker.stats()["reads"] == 1
        assert broker.stats()["reads_shared"] == 999

    with_brokers(1, nats(), test)


def test_a_hole_among_the_live_messages_is_filled_from_what_is_kept(nats):
    async def test(one, other):
        (reader, heard), (writer, _) = one, other
        await ask(reader.attach, "c")
        subscription = reader._attended._channels["c"].subscription
        await subscription.unsubscribe()  # as if the server had cut a slow reader
        await fill(writer, "c", 3)
        again = reader._attended._channels["c"]
        again.subscription = None
        await reader._attended._listen("c")
        await ask(reader.head, "c")  # nats-py's flush may overtake a subscription; a request does not
        await fill(writer, "c", 1, first=3)
        await heard.until(lambda: len(heard.of("c")) == 4)
        assert heard.offsets("c") == [1, 2, 3, 4]
        assert reader.stats()["live_gaps"] == 1
        assert not heard.interruptions

    with_brokers(2, nats(), test)


def test_a_hole_that_cannot_be_filled_is_told(nats):
    async def test(one, other):
        (reader, heard), (writer, _) = one, other
        await ask(reader.attach, "c")
        await reader._attended._channels["c"].subscription.unsubscribe()
        await fill(writer, "c", 3)
        await reader.link.api("STREAM.PURGE.PLUMBLINE", {"filter": stored("c"), "keep": 1})
        reader._attended._channels["c"].subscription = None
        await reader._attended._listen("c")
        await ask(reader.head, "c")  # nats-py's flush may overtake a subscription; a request does not
        await fill(writer, "c", 1, first=3)
        await heard.until(lambda: heard.interruptions)
        assert heard.interruptions[0][0] == "c"
        assert (await ask(reader.attach, "c")).offset == 4

    with_brokers(2, nats(), test)


def test_a_foreign_message_on_a_channels_subject_is_counted_and_harms_nobody(nats):
    async def test(one):
        broker, heard = one
        await ask(broker.attach, "c")
        await broker.link.nats.publish("plumb.live.main.c", b"junk")
        await fill(broker, "c", 1)
        await heard.until(lambda: heard.of("c"))
        assert broker.stats()["live_foreign"] == 1

    with_brokers(1, nats(), test)


def test_a_key_holds_across_gateways_and_across_a_restart_of_the_server(nats):
    server = nats()

    async def test(one, other):
        (first, _), (second, heard) = one, other
        position = await ask(first.publish, "c", b"1", "order 7 ä")
        assert await ask(second.publish, "c", b"1", "order 7 ä") == position
        server.kill()
        await asyncio.to_thread(server.start)
        await heard.until(lambda: heard.interruptions)
        assert await ask(second.publish, "c", b"1", "order 7 ä") == position
        assert (await ask(second.head, "c")).offset == 1

    with_brokers(2, server, test)


def test_a_key_whose_message_has_left_the_history_is_refused_and_not_stored_again(nats):
    async def test(one):
        broker, _ = one
        await ask(broker.publish, "c", b"1", "k")
        await ask(broker.publish, "c", b"2", None)
        await broker.link.api("STREAM.PURGE.PLUMBLINE", {"filter": stored("c"), "keep": 1})
        with pytest.raises(BrokerError, match="left the history") as failed:
            await ask(broker.publish, "c", b"1", "k")
        assert failed.value.code == "refused"
        assert (await ask(broker.head, "c")).offset == 2

    with_brokers(1, nats(), test)


def test_a_message_that_nats_would_not_take_is_too_large(nats):
    async def test(one):
        broker, _ = one
        with pytest.raises(BrokerError) as failed:
            await ask(broker.publish, "c", b"1" * (1 << 20), None)
        assert failed.value.code == "too-large"

    with_brokers(1, nats(), test)


def test_members_are_seen_from_every_gateway_and_those_of_a_dead_one_vanish(nats):
    async def test(one, other):
        (first, _), (second, _) = one, other
        ann, bob = Member("c1", "ann", 1.0), Member("c2", None, 2.0)
        first.join("room", ann)
        second.join("room", bob)
        await ask(first.members, "room")

        async def both():
            return await ask(second.members, "room") == (ann, bob)

        await eventually(both)
        await second.link.request(f"plumb.present.main.n.{first._presence.node}", b"{}", {"Nats-TTL": "1s"})
        first._tasks.cancel()  # as if it had been killed: it renews its lease no more

        async def alone():
            return await ask(second.members, "room") == (bob,)

        await eventually(alone)

    with_brokers(2, nats(), test)


def test_members_are_told_anew_to_a_server_that_forgot_them(nats):
    server = nats()

    async def test(one, other):
        (first, at_first), (second, at_second) = one, other
        ann = Member("c1", "ann", 1.0)
        first.join("room", ann)
        await ask(first.members, "room")
        server.kill()
        await asyncio.to_thread(server.start)
        for receiver in (at_first, at_second):
            await receiver.until(lambda: receiver.interruptions)  # noqa: B023 - awaited in this turn

        async def there():
            return await ask(second.members, "room") == (ann,)

        await eventually(there)

    with_brokers(2, server, test)


def test_a_quiet_channel_that_is_attended_is_marked_and_keeps_its_positions(nats):
    async def test(one):
        broker, heard = one
        position = (await fill(broker, "c", 2))[-1]
        await ask(broker.attach, "c")
        one = broker._attended._channels["c"]
        one.heard_at = float("-inf")
        await broker._check()
        await eventually(lambda: one.heard_at > 0)
        assert broker.stats()["publish_marks"] == 1
        assert await ask(broker.head, "c") == position
        assert [entry.offset for entry in (await ask(broker.past, "c", None, 10)).entries] == [1, 2]
        assert (await ask(broker.publish, "c", b"3", None)).offset == 3
        await heard.until(lambda: heard.of("c"))
        assert heard.offsets("c") == [3]

    with_brokers(1, nats(), test)


def test_detached_before_it_was_attached_it_is_answered_all_the_same(nats):
    async def test(one):
        broker, heard = one
        told = asyncio.get_running_loop().create_future()
        broker.attach("c", told.set_result)
        broker.detach("c")
        broker.detach("c")
        assert (await told).code == "unavailable"
        assert (await ask(broker.attach, "c")).offset == 0
        await fill(broker, "c", 1)
        await heard.until(lambda: heard.of("c"))
        assert heard.offsets("c") == [1]

    with_brokers(1, nats(), test)
