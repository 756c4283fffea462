"""The relay keeps the brokers' contract, is bounded, and says what happens when one end is gone."""

import asyncio
import contextlib
import socket

import pytest
from contracts.broker import SETTINGS, BrokerContract, Opened, Recorder, ask, fill
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.broker import BrokerError, Member
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.workers import wire
from plumbline.streaming.workers.relay import RelayBroker
from plumbline.streaming.workers.relay_server import RelayServer
from plumbline.streaming.workers.wire import Splitter, WireError


class Relay:
    """A relay server in this loop, and as many workers' brokers as are asked for."""

    def __init__(self, settings, **options):
        self.local = LocalBroker(settings, "e", asyncio.get_running_loop().time)
        self.server = RelayServer(self.local, **options)
        self.brokers = []

    async def worker(self, receiver, **options):
        ours, theirs = socket.socketpair()
        session = await self.server.serve(ours, f"worker-{len(self.brokers)}")
        broker = RelayBroker(theirs, **options)
        await broker.start(receiver)
        self.brokers.append(broker)
        return broker, session


@contextlib.asynccontextmanager
async def relay(settings=SETTINGS, **options):
    one = Relay(settings, **options)
    await one.server.start()
    yield one
    for broker in one.brokers:
        await broker.stop()
    await one.server.stop()


def run(scenario):
    async def bounded():
        async with asyncio.timeout(30):
            await scenario

    asyncio.run(bounded())


class TestRelayBroker(BrokerContract):
    @contextlib.asynccontextmanager
    async def open(self, settings, receiver):
        async with relay(settings) as one:
            broker, _ = await one.worker(receiver)

            async def interrupt():
                one.server.interrupted(None, "as when this worker had not read for long")

            async def renew(channel):
                one.local.configure(settings.changed({"max_channels": 1}))
                await ask(broker.head, "another")
                one.local.configure(settings)

            yield Opened(broker, interrupt=interrupt, renew=renew)


def test_all_workers_get_what_one_publishes_in_the_same_order():
    async def main():
        async with relay() as one:
            receivers = [Recorder() for _ in range(3)]
            brokers = [(await one.worker(receiver))[0] for receiver in receivers]
            for broker in brokers:
                await ask(broker.attach, "a")
            for number in range(50):
                brokers[number % 3].publish("a", b"%d" % number, None, lambda _: None)
            for receiver in receivers:
                await receiver.until(lambda receiver=receiver: len(receiver.of("a")) == 50)
            assert receivers[0].of("a") == receivers[1].of("a") == receivers[2].of("a")
            assert receivers[0].offsets("a") == list(range(1, 51))

    run(main())


def test_a_message_goes_once_to_each_worker_that_reads_and_many_go_in_one_write():
    async def main():
        async with relay() as one:
            readers = [(await one.worker(receiver := Recorder()), receiver) for _ in range(2)]
            _, other = await one.worker(Recorder())
            publisher, _ = await one.worker(Recorder())
            for (broker, _), _ in readers:
                await ask(broker.attach, "a")
            before = [session.link.writes for (_, session), _ in readers]
            for number in range(100):
                publisher.publish("a", b"%d" % number, None, lambda _: None)
            for _, receiver in readers:
                await receiver.until(lambda receiver=receiver: len(receiver.of("a")) == 100)
            assert [session.messages for (_, session), _ in readers] == [100, 100]
            assert other.messages == 0
            assert one.server.messages == 100
            writes = [session.link.writes - start for ((_, session), _), start in zip(readers, before, strict=True)]
            assert max(writes) < 10

    run(main())


def test_the_members_of_a_worker_that_dies_are_gone():
    async def main():
        async with relay() as one:
            dies, _ = await one.worker(Recorder())
            stays, _ = await one.worker(Recorder())
            dies.join("a", Member("c1", "ann", 1.0))
            stays.join("a", Member("c2", None, 2.0))
            await ask(dies.head, "a")
            assert len(await ask(stays.members, "a")) == 2
            await dies.stop()
            while len(await ask(stays.members, "a")) > 1:
                pass
            assert await ask(stays.members, "a") == (Member("c2", None, 2.0),)

    run(main())


def test_when_the_supervisor_is_gone_everything_is_unavailable_and_continuity_is_lost():
    async def main():
        async with relay() as one:
            receiver = Recorder()
            broker, session = await one.worker(receiver)
            await ask(broker.attach, "a")
            answers = []
            broker.publish("a", b"1", None, answers.append)  # on its way when the other end hangs up
            session.link.close()
            await receiver.until(lambda: receiver.interruptions)
            assert receiver.interruptions == [(None, "the supervisor is gone")]
            broker.head("a", answers.append)
            broker.past("a", None, 1, answers.append)
            broker.members("a", answers.append)
            broker.attach("b", answers.append)
            broker.join("a", Member("c", None, 0.0))
            broker.detach("a")
            assert len(answers) == 5
            assert all(isinstance(told, BrokerError) and told.code == "unavailable" for told in answers)

    run(main())


def test_a_worker_that_does_not_read_is_interrupted_and_nothing_grows_without_bound():
    async def main():
        async with relay(limit=1 << 20) as one:
            receiver, other = Recorder(), Recorder()
            broker, session = await one.worker(receiver)
            publisher, _ = await one.worker(other)
            await ask(broker.attach, "a")
            await ask(publisher.attach, "a")
            broker._link._transport.pause_reading()
            data = b'"' + b"x" * 50_000 + b'"'
            for _ in range(400):
                await ask(publisher.publish, "a", data, None)
            assert session.lagging
            assert session.link.waiting < (1 << 20) + 2 * len(data)
            assert len(other.of("a")) == 400  # nobody else waits for it
            broker._link._transport.resume_reading()
            await receiver.until(lambda: receiver.interruptions)
            assert receiver.interruptions[0][0] is None
            assert f"did not read {session.skipped} messages" in receiver.interruptions[0][1]
            assert len(receiver.of("a")) + session.skipped == 400
            attached = await ask(broker.attach, "a")
            await fill(publisher, "a", 1)
            await receiver.until(lambda: receiver.offsets("a")[-1] == attached.offset + 1)

    run(main())


def test_a_supervisor_that_does_not_read_refuses_publishers_at_once():
    async def main():
        async with relay() as one:
            broker, session = await one.worker(Recorder(), limit=100_000)
            session.link._transport.pause_reading()
            answers = []
            while not answers:
                broker.publish("a", b"x" * 10_000, None, answers.append)
                await asyncio.sleep(0)
            assert "wait for the supervisor already" in answers[0].message
            assert broker._link.waiting < 200_000
            session.link._transport.resume_reading()

    run(main())


def test_errors_of_the_broker_reach_the_worker():
    class Refusing(LocalBroker):
        def publish(self, channel, data, key, done):
            done(BrokerError("too-large", "no"))

        def past(self, channel, since, limit, done, *, part=False):
            done(BrokerError("refused", "no"))

        def attach(self, channel, done):
            done(BrokerError("unavailable", "no"))

        def members(self, channel, done):
            done(BrokerError("unavailable", "no"))

    async def main():
        async with relay() as one:
            one.server.broker = Refusing(SETTINGS, "e", lambda: 0.0)
            broker, session = await one.worker(Recorder())
            for method, words, code in [
                (broker.publish, ("a", b"1", None), "too-large"),
                (broker.past, ("a", None, 1), "refused"),
                (broker.attach, ("a",), "unavailable"),
                (broker.members, ("a",), "unavailable"),
            ]:
                with pytest.raises(BrokerError) as failed:
                    await ask(method, *words)
                assert failed.value.code == code
            assert session.channels == set()

    run(main())


def test_what_is_no_frame_ends_the_connection():
    async def main():
        async with relay() as one:
            ours, theirs = socket.socketpair()
            await one.server.serve(ours, "worker-9")
            theirs.sendall(b"\0\0\0\1\xc1")  # 0xc1 is no MessagePack
            theirs.settimeout(20)
            assert await asyncio.get_running_loop().run_in_executor(None, theirs.recv, 10) == b""
            theirs.close()

    run(main())


def test_a_broker_on_a_dead_socket_says_so():
    async def main():
        ours, theirs = socket.socketpair()
        ours.close()
        theirs.close()
        with pytest.raises(BrokerError, match="cannot be reached"):
            await RelayBroker(theirs).start(Recorder())

    run(main())


ids = st.integers(0, 2**40)
values = st.one_of(
    st.builds(wire.Publish, ids, st.text(), st.binary(), st.none() | st.text(), st.none() | st.text()),
    st.builds(wire.AskPast, ids, st.text(), st.none() | st.text(), st.integers(0, 2**53), ids, st.booleans()),
    st.builds(wire.Join, st.text(), st.text(), st.none() | st.text(), st.floats(allow_nan=False)),
    st.builds(wire.Detach, st.text()),
).filter(lambda value: getattr(value, "request", 0) < 2**63)


@given(st.lists(values, max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_division_of_the_stream(sent, sizes):
    stream = b"".join(map(wire.frame, sent))
    splitter, found, at = Splitter(), [], 0
    while at < len(stream):
        size = sizes[len(found) % len(sizes)]
        for body in splitter.bodies(stream[at : at + size]):
            with body:
                found.append(wire.decode(wire.from_worker, body))
        at += size
    assert found == sent


def test_a_frame_that_is_too_long_is_refused_before_it_is_read():
    with pytest.raises(WireError, match="none of ours"):
        list(Splitter().bodies(b"\xff\xff\xff\xff"))
