"""A broker that answers late, or not, or loses messages: what clients get all the same."""

import asyncio

import pytest

from plumbline.streaming.core.broker import BrokerError, Entry, Past, Position


def fill(gateway, channel, count, first=1):
    for number in range(first, first + count):
        gateway.publish(channel, number)


def take(link, count):
    return [link.read() for _ in range(count)]


def offsets(messages):
    return [message["offset"] for message in messages]


class SlowBroker:
    """Answers when it is told; each question is kept."""

    def __init__(self):
        self.asked = []
        self.receiver = None
        self.members_now = ()

    async def start(self, receiver):
        self.receiver = receiver

    async def stop(self):
        pass

    def attach(self, channel, done):
        self.asked.append(("attach", channel, done))

    def detach(self, channel):
        self.asked.append(("detach", channel, None))

    def publish(self, channel, data, key, done):
        self.asked.append(("publish", channel, done))

    def past(self, channel, since, limit, done, *, part=False):
        self.asked.append(("past", channel, done))

    def head(self, channel, done):
        self.asked.append(("head", channel, done))

    def join(self, channel, member):
        self.asked.append(("join", channel, member.client))

    def leave(self, channel, client):
        self.asked.append(("leave", channel, client))

    def members(self, channel, done):
        self.asked.append(("members", channel, done))


@pytest.fixture
def slow(start, client, until):
    """Return a gateway with a broker that answers when told, and functions to tell it."""
    broker = SlowBroker()
    gateway = start(broker=broker, settings={"max_pending": 3, "position_check_s": 0.05})

    def asked(what, index=-1):
        return until(lambda: [done for kind, _, done in list(broker.asked) if kind == what], what)[index]

    def say(what, answer, index=-1):
        gateway.call(asked(what, index), answer)

    def arrive(offset, epoch="e"):
        gateway.call(broker.receiver.arrived, "a", Position(epoch, offset), b"%d" % offset)

    gateway.broker, gateway.asked, gateway.say, gateway.arrive = broker, asked, say, arrive
    return gateway


def count(gateway, what):
    return sum(kind == what for kind, _, _ in gateway.broker.asked)


def test_answers_keep_the_order_of_the_requests_when_the_broker_does_not(slow, client, until):
    link = client(slow)
    for number in (1, 2):
        link.send(id=number, publish="a", data=number)
    link.send(id=3, ping="after both")
    until(lambda: count(slow, "publish") == 2)
    slow.say("publish", Position("e", 2), 1)
    slow.say("publish", Position("e", 1), 0)
    assert [answer["id"] for answer in take(link, 3)] == [1, 2, 3]


def test_too_many_requests_that_wait_for_the_broker_stop_the_reading_from_their_client(slow, client, until):
    link = client(slow)
    for number in range(5):
        link.send(id=number, publish="a", data=number)
    until(lambda: count(slow, "publish") == 3)
    until(lambda: slow.stats["requests_pending"] == 3)
    slow.say("publish", Position("e", 1), 0)
    until(lambda: count(slow, "publish") == 4)
    for index in (1, 2, 3):
        slow.say("publish", Position("e", index + 1), index)
    until(lambda: count(slow, "publish") == 5)
    slow.say("publish", Position("e", 5), 4)
    assert [answer["offset"] for answer in take(link, 5)] == [1, 2, 3, 4, 5]
    assert slow.stats["requests_pending"] == 0


def test_messages_that_arrive_while_the_past_is_looked_up_come_behind_it_once(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a", since={"epoch": "e", "offset": 3})
    slow.say("attach", Position("e", 5))
    slow.asked("past")
    for offset in (6, 7):
        slow.arrive(offset)
    slow.say("past", Past(Position("e", 6), tuple(Entry(n, b"%d" % n) for n in (4, 5, 6)), recovered=True))
    slow.arrive(8)
    told = link.read()
    assert (told["recovered"], told["messages"], told["offset"]) == (True, 4, 7)
    assert offsets(take(link, 5)) == [4, 5, 6, 7, 8]


def test_a_broker_that_is_not_there_is_said_and_when_to_ask_again(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", BrokerError("unavailable", "the cluster is not reached"))
    told = link.read()
    assert told["error"]["code"] == "unavailable"
    assert told["error"]["retry_after_s"] > 0
    for error, code in (("too-large", "too-large"), ("refused", "refused")):
        link.send(id=2, publish="a", data=1)
        slow.say("publish", BrokerError(error, "no"))
        assert link.read()["error"]["code"] == code
        slow.broker.asked.clear()
    link.send(id=3, presence="a")
    slow.say("members", BrokerError("unavailable", "no"))
    assert link.read()["error"]["code"] == "unavailable"
    assert slow.stats["broker_errors"] == {"unavailable": 2, "too-large": 1, "refused": 1}
    slow.broker.asked.clear()
    publishing = asyncio.run_coroutine_threadsafe(slow.gateway.publish("a", 1), slow._loop)
    slow.say("publish", BrokerError("unavailable", "no"))
    with pytest.raises(BrokerError):
        publishing.result(20)


def test_after_an_interruption_the_gap_is_filled_before_anything_new(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", Position("e", 1))
    assert link.read()["offset"] == 1
    slow.call(slow.broker.receiver.interrupted, None, "a cable")
    until(lambda: count(slow, "attach") == 2)
    slow.say("attach", Position("e", 3))
    slow.arrive(4)
    slow.say("past", Past(Position("e", 3), (Entry(2, b"2"), Entry(3, b"3")), recovered=True))
    assert offsets(take(link, 3)) == [2, 3, 4]
    assert slow.stats["interruptions"] == 1


def test_a_broker_that_fails_to_attach_again_is_asked_again(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", Position("e", 1))
    link.read()
    slow.call(slow.broker.receiver.interrupted, "a", "a cable")
    until(lambda: count(slow, "attach") == 2)
    slow.say("attach", BrokerError("unavailable", "still down"))
    until(lambda: count(slow, "attach") == 3)
    slow.say("attach", Position("e", 1))
    slow.arrive(2)
    assert link.read()["offset"] == 2


def test_a_message_lost_in_silence_is_noticed_counted_and_fetched(slow, client, until, monkeypatch):
    monkeypatch.setattr("plumbline.streaming.core.positions.GRACE_S", 0.01)
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", Position("e", 1))
    link.read()
    slow.say("head", Position("e", 2))
    slow.say("past", Past(Position("e", 2), (Entry(2, b"2"),), recovered=True))
    assert link.read()["offset"] == 2
    stats = slow.stats
    assert stats["position_gaps"] == 1
    assert stats["position_checks"] >= 1


def test_a_gap_that_cannot_be_filled_ends_the_subscription_which_may_come_back(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", Position("e", 1))
    link.read()
    slow.arrive(9)
    slow.say("past", Past(Position("e", 9), (), recovered=False))
    ended = link.read()
    assert ended["channel"] == "a"
    assert (ended["ended"]["code"], ended["ended"]["again"]) == ("insufficient-state", True)
    assert slow.stats["subscriptions_ended"] == {"insufficient-state": 1}
    link.send(id=2, subscribe="a")
    assert link.read()["offset"] == 9


def test_who_goes_while_the_broker_is_asked_is_forgotten(slow, client, until):
    link = client(slow)
    link.send(id=1, subscribe="a", since={"epoch": "e", "offset": 1})
    slow.say("attach", Position("e", 5))
    slow.asked("past")
    link.link.close()
    until(lambda: slow.stats["connections"] == 0)
    slow.say("past", Past(Position("e", 5), (), recovered=False))
    assert slow.stats["subscriptions"] == 0
    assert slow.stats["recoveries"] == {}


def test_a_channel_that_nobody_reads_is_detached_after_a_while(slow, client, until, monkeypatch):
    monkeypatch.setattr("plumbline.streaming.core.streams.LINGER_S", 0.05)
    link = client(slow)
    link.send(id=1, subscribe="a")
    slow.say("attach", Position("e", 0))
    link.read()
    link.send(id=2, unsubscribe="a")
    assert link.read()["ok"]
    until(lambda: count(slow, "detach") == 1)
    assert slow.stats["channels"] == 0


def test_a_member_whose_node_died_is_said_to_have_left(start, client, until):
    broker = SlowBroker()
    gateway = start(broker=broker, settings={"presence_refresh_s": 0.05})

    def answer(what, told, index=-1):
        gateway.call(until(lambda: [done for kind, _, done in list(broker.asked) if kind == what], what)[index], told)

    from plumbline.streaming.core.broker import Member

    link = client(gateway)
    link.send(id=1, subscribe="a", join=True)
    answer("attach", Position("e", 0), 0)
    assert link.read()["ok"]
    elsewhere = Member("elsewhere", "ann", 5.0)
    answer("members", (elsewhere,), 0)
    until(lambda: sum(kind == "members" for kind, _, _ in broker.asked) >= 2)
    answer("members", (), 1)
    assert link.read() == {"channel": "a", "left": {"client": "elsewhere", "user": "ann", "since": 5.0}}
    until(lambda: sum(kind == "join" for kind, _, _ in broker.asked) >= 3)
    answer("members", (elsewhere,))
    assert link.read()["joined"]["client"] == "elsewhere"


def test_a_broker_that_cannot_be_reached_keeps_the_gateway_from_starting(start):
    class Absent(SlowBroker):
        async def start(self, receiver):
            raise BrokerError("unavailable", "nobody there")

    from plumbline.streaming import Gateway

    async def main():
        gateway = Gateway(broker=Absent())
        with pytest.raises(BrokerError, match="nobody there"):
            await gateway.start()
        await gateway.stop()

    asyncio.run(main())
