"""What goes wrong with NATS is answered in words: down, gone, too old, not confirmed, purged, made anew."""

import asyncio

import pytest
from cluster.brokerlab import publish_all, with_brokers
from cluster.natslab import eventually
from contracts.broker import SETTINGS, Recorder, ask, fill

from plumbline.lab.parts.ports import free_port
from plumbline.streaming import Settings
from plumbline.streaming.cluster.broker import ClusterOptions, NatsBroker
from plumbline.streaming.cluster.streams import Limits, create_home
from plumbline.streaming.cluster.subjects import stored
from plumbline.streaming.core.broker import BrokerError, Position


def test_while_nats_is_down_each_request_is_answered_unavailable_and_the_log_stays_short(nats, caplog):
    server = nats()

    async def test(one):
        broker, _ = one
        await ask(broker.attach, "c")
        server.kill()
        await eventually(lambda: not broker.link.up)
        for method, *more in (
            (broker.publish, "c", b"1", None),
            (broker.past, "c", None, 1),
            (broker.head, "c"),
            (broker.members, "c"),
            (broker.attach, "d"),
        ):
            with pytest.raises(BrokerError) as failed:
                await ask(method, *more)
            assert failed.value.code == "unavailable"
        await eventually(lambda: broker.link.nats._server_pool[0].reconnects >= 4)  # attempts to connect

    with_brokers(1, server, test)
    assert 1 <= len([record for record in caplog.records if "broker connection" in record.getMessage()]) <= 4


def test_a_stream_that_is_made_anew_interrupts_all(nats):
    async def test(one):
        broker, heard = one
        position = (await fill(broker, "c", 2))[-1]
        await broker.link.api("STREAM.DELETE.PLUMBLINE")
        await create_home(broker.link, "main", Limits())
        await broker._check()
        assert heard.interruptions[-1][0] is None
        assert not (await ask(broker.past, "c", position, 10)).recovered

    with_brokers(1, nats(), test)


def test_a_cluster_that_cannot_be_used_is_said_in_one_sentence(nats):
    async def start(server, **options):
        await NatsBroker(ClusterOptions((server,), **options), SETTINGS).start(Recorder())

    port = free_port()
    with pytest.raises(BrokerError, match=rf"no NATS server answers at 127\.0\.0\.1:{port}"):
        asyncio.run(start(f"nats://user:secret@127.0.0.1:{port}"))
    with pytest.raises(BrokerError, match="runs without JetStream; add"):
        asyncio.run(start(nats(jetstream=False).url))
    with pytest.raises(BrokerError, match="region eu has no stream yet"):
        asyncio.run(start(nats(domain="eu").url, region="eu"))


def test_a_server_that_is_too_old_is_named_with_its_version(nats, monkeypatch):
    monkeypatch.setattr("plumbline.streaming.cluster.link.OLDEST", (99, 1))

    async def start():
        await NatsBroker(ClusterOptions((nats().url,)), SETTINGS).start(Recorder())

    with pytest.raises(BrokerError, match=r"is 2\.\d+\.\d+, but 99\.1 or newer is needed"):
        asyncio.run(start())


def test_a_publication_that_is_not_confirmed_in_time_is_looked_for_and_stored_once(nats, monkeypatch):
    monkeypatch.setattr("plumbline.streaming.cluster.writer.ACK_S", 0.1)
    server = nats()

    async def test(one):
        broker, _ = one
        await fill(broker, "c", 1)
        server.pause()
        told = publish_all(broker, "c", [b'"x"'])
        await eventually(lambda: broker.stats().get("publish_unsure"))
        server.resume()
        position = await told[0]
        assert position.offset == 2
        past = await ask(broker.past, "c", None, 10)
        assert [entry.data for entry in past.entries] == [b"0", b'"x"']

    with_brokers(1, server, test)


def test_a_publication_that_is_never_confirmed_is_said_to_be_perhaps_stored(nats, monkeypatch):
    monkeypatch.setattr("plumbline.streaming.cluster.writer.ACK_S", 0.05)
    monkeypatch.setattr("plumbline.streaming.cluster.writer.DEADLINE_S", 0.2)
    monkeypatch.setattr("plumbline.streaming.cluster.link.REQUEST_S", 0.2)
    server = nats()

    async def test(one):
        broker, _ = one
        await fill(broker, "c", 1)
        server.pause()
        try:
            with pytest.raises(BrokerError, match="may have been stored") as failed:
                await ask(broker.publish, "c", b"1", None)
            assert failed.value.code == "unavailable"
        finally:
            server.resume()

        async def again():
            return isinstance(await publish_all(broker, "c", [b"2"])[0], Position)

        await eventually(again)

    with_brokers(1, server, test)


def test_what_is_under_way_when_the_broker_stops_is_answered_unavailable(nats):
    server = nats()

    async def test(one):
        broker, _ = one
        await fill(broker, "c", 1)
        server.pause()
        try:
            told = publish_all(broker, "c", [b"%d" % number for number in range(600)])
            told.append(asyncio.get_running_loop().create_future())
            broker.attach("d", told[-1].set_result)
            told.append(asyncio.get_running_loop().create_future())
            broker.past("c", None, 1, told[-1].set_result)
            stopping = asyncio.ensure_future(broker.stop())
            answers = await asyncio.gather(*told)
        finally:
            server.resume()
        await stopping
        assert {answer.code for answer in answers} == {"unavailable"}

    with_brokers(1, server, test)


def test_a_channel_that_was_purged_interrupts_its_readers_at_the_next_message(nats):
    async def test(one, other):
        (reader, heard), (writer, _) = one, other
        before = await ask(reader.attach, "c")
        await fill(writer, "c", 1)
        await writer.link.api("STREAM.PURGE.PLUMBLINE", {"filter": stored("c")})
        after = (await fill(writer, "c", 1))[0]
        assert after.offset == 1
        assert after.epoch != before.epoch
        await heard.until(lambda: heard.interruptions)
        assert heard.interruptions == [("c", "the channel has started again")]
        assert await ask(reader.attach, "c") == after

    with_brokers(2, nats(), test)


def test_the_stream_keeps_what_the_rules_of_channels_promise_and_a_shorter_one_is_told(nats, caplog):
    server = nats()
    long = Settings(history_messages=10).changed({"channels.long.*.history_messages": 5000})

    async def start(settings, **options):
        broker = NatsBroker(ClusterOptions((server.url,), **options), settings)
        await broker.start(Recorder())
        kept = broker.copy.config["max_msgs_per_subject"]
        await broker.stop()
        return kept

    assert asyncio.run(start(long)) >= 5000
    assert not [record for record in caplog.records if "less history" in record.getMessage()]
    longer = long.changed({"channels.long.*.history_messages": 9000})
    assert asyncio.run(start(longer)) < 9000
    assert len([record for record in caplog.records if "less history" in record.getMessage()]) == 1
