"""Recovery, history, presence, batches and rules, over real sockets."""

import asyncio
import json

import pytest

from plumbline.streaming.core.broker import BrokerError, Entry, Past, Position


def fill(gateway, channel, count, first=1):
    for number in range(first, first + count):
        gateway.publish(channel, number)


def take(link, count):
    return [link.read() for _ in range(count)]


def offsets(messages):
    return [message["offset"] for message in messages]


def test_who_comes_back_gets_what_it_missed_and_then_everything_new(start, client):
    gateway = start()
    reader = client(gateway)
    began = reader.ask(id=1, subscribe="a")
    assert "recovered" not in began
    fill(gateway, "a", 2)
    seen = take(reader, 2)[-1]["offset"]
    reader.link.close()
    fill(gateway, "a", 3, first=3)
    again = client(gateway)
    told = again.ask(id=1, subscribe="a", since={"epoch": began["epoch"], "offset": seen})
    assert (told["recovered"], told["messages"], told["offset"]) == (True, 3, 5)
    fill(gateway, "a", 1, first=6)
    assert [(message["offset"], message["data"]) for message in take(again, 4)] == [(n, n) for n in (3, 4, 5, 6)]
    stats = gateway.stats
    assert stats["recoveries"] == {"recovered": 1}
    assert stats["replayed"] == 3


def test_who_missed_nothing_is_told_so(start, client):
    gateway = start()
    reader = client(gateway)
    head = reader.ask(id=1, subscribe="a")
    assert reader.ask(id=2, unsubscribe="a")["ok"]
    told = reader.ask(id=3, subscribe="a", since={"epoch": head["epoch"], "offset": 0})
    assert (told["recovered"], told["messages"]) == (True, 0)


@pytest.mark.parametrize("since", [{"epoch": "another", "offset": 1}, {"epoch": None, "offset": 0}])
def test_what_history_no_longer_reaches_is_said_not_to_be_recovered_and_nothing_is_replayed(start, client, since):
    gateway = start(settings={"history_messages": 2})
    epoch = client(gateway).ask(id=1, subscribe="a")["epoch"]
    fill(gateway, "a", 4)
    reader = client(gateway)
    told = reader.ask(id=1, subscribe="a", since={**since, "epoch": since["epoch"] or epoch})
    assert (told["recovered"], told["messages"], told["offset"]) == (False, 0, 4)
    fill(gateway, "a", 1, first=5)
    assert reader.read()["offset"] == 5
    assert gateway.stats["recoveries"] == {"failed": 1}


def test_a_replay_larger_than_the_queue_may_ever_be_is_not_begun(start, client):
    gateway = start(settings={"queue_max_messages": 4})
    epoch = client(gateway).ask(id=1, subscribe="a")["epoch"]
    fill(gateway, "a", 9)
    told = client(gateway).ask(id=1, subscribe="a", since={"epoch": epoch, "offset": 0})
    assert (told["recovered"], told["messages"]) == (False, 0)


def test_without_an_id_recovery_is_answered_all_the_same(start, client):
    gateway = start()
    reader = client(gateway)
    told = reader.ask(subscribe="a", since={"epoch": "another", "offset": 3})
    assert (told["id"], told["recovered"]) == (None, False)


def test_in_latest_mode_recovery_gives_the_newest_only(start, client):
    gateway = start()
    epoch = client(gateway).ask(id=1, subscribe="a")["epoch"]
    fill(gateway, "a", 5)
    reader = client(gateway)
    told = reader.ask(id=1, subscribe="a", mode="latest", since={"epoch": epoch, "offset": 1})
    assert (told["recovered"], told["messages"]) == (True, 1)
    assert reader.read()["data"] == 5


def test_in_latest_mode_a_newer_message_takes_the_place_of_one_that_waits(start, client):
    gateway = start()
    reader, everything = client(gateway), client(gateway)
    reader.ask(id=1, subscribe="a", mode="latest")
    everything.ask(id=1, subscribe="a")

    async def burst():
        for number in range(50):
            await gateway.gateway.publish("a", number)

    gateway.do(burst())
    assert [message["data"] for message in take(everything, 50)] == list(range(50))
    assert [message["data"] for message in take(reader, 1)] == [49]
    assert gateway.stats["coalesced"] == 49


def test_a_second_subscription_changes_nothing_and_cannot_recover(start, client):
    gateway = start()
    reader = client(gateway)
    first = reader.ask(id=1, subscribe="a")
    assert reader.ask(id=2, subscribe="a") == {**first, "id": 2}
    refused = reader.ask(id=3, subscribe="a", since={"epoch": first["epoch"], "offset": 0})
    assert refused["error"]["code"] == "already-subscribed"
    fill(gateway, "a", 1)
    assert reader.read()["offset"] == 1
    assert gateway.stats["subscriptions"] == 1


def test_history_is_read_from_a_position_or_from_the_end(start, client):
    gateway = start(settings={"history_page": 3})
    reader = client(gateway)
    fill(gateway, "a", 5)
    newest = reader.ask(id=1, history="a", limit=2)
    assert [(one["offset"], one["data"]) for one in newest["messages"]] == [(4, 4), (5, 5)]
    assert "recovered" not in newest
    since = reader.ask(id=2, history="a", since={"epoch": newest["epoch"], "offset": 3})
    assert (since["recovered"], offsets(since["messages"]), since["offset"]) == (True, [4, 5], 5)
    assert len(reader.ask(id=3, history="a")["messages"]) == 3, "a page"
    beyond = reader.ask(id=4, history="a", since={"epoch": "another", "offset": 3})
    assert (beyond["recovered"], beyond["messages"]) == (False, [])


def test_the_same_key_twice_is_one_message(start, client):
    gateway = start()
    reader, publisher = client(gateway), client(gateway)
    reader.ask(id=1, subscribe="a")
    first = publisher.ask(id=1, publish="a", data="x", key="k")
    assert publisher.ask(id=1, publish="a", data="x", key="k") == first
    assert publisher.ask(id=2, publish="a", data="y", key="l")["offset"] == 2
    assert [message["data"] for message in take(reader, 2)] == ["x", "y"]
    assert gateway.do(gateway.gateway.publish("a", "z", key="k")) == 1


def test_a_batch_is_answered_one_by_one_in_order(start, client):
    gateway = start(settings={"max_batch": 5})
    reader = client(gateway)
    batch = [
        {"id": 1, "subscribe": "a"},
        {"id": 2, "publish": "a", "data": 7},
        {"id": 3, "nonsense": 1},
        {"id": 4, "history": "a"},
        "no object",
    ]
    reader.link.send(json.dumps(batch))
    subscribed, message, published, wrong, history, nothing = take(reader, 6)
    assert (subscribed["id"], published["id"], wrong["id"], history["id"], nothing["id"]) == (1, 2, 3, 4, None)
    assert message["data"] == 7
    assert wrong["error"]["code"] == "unknown-command"
    assert history["messages"] == [{"offset": 1, "data": 7}]
    assert nothing["error"]["code"] == "malformed"
    for too_many in ([{"ping": 1}] * 6, []):
        reader.link.send(json.dumps(too_many))
        assert "1 to 5 requests" in reader.read()["error"]["message"]


def test_members_are_named_and_hear_of_each_other(start, client, until):
    gateway = start()
    first, second, watcher = (client(gateway) for _ in range(3))
    first.ask(id=1, subscribe="room", join=True)
    watcher.ask(id=1, subscribe="room")
    second.ask(id=1, subscribe="room", join=True)
    joined = first.read()
    assert joined["channel"] == "room"
    named = watcher.ask(id=2, presence="room")
    assert named["count"] == 2
    assert named["clients"][1] == joined["joined"]
    assert named["clients"][1]["user"] is None
    assert gateway.stats["members"] == 2
    second.link.close()
    assert first.read() == {"channel": "room", "left": joined["joined"]}
    assert first.ask(id=3, unsubscribe="room")["ok"]
    assert watcher.ask(id=3, presence="room") == {"id": 3, "ok": True, "clients": [], "count": 0}
    fill(gateway, "room", 1)
    assert watcher.read()["data"] == 1, "who did not join hears of nobody"
    until(lambda: gateway.stats["members"] == 0)


def test_presence_is_bounded_and_can_be_off_or_without_events(start, client):
    gateway = start(settings={"presence_members": 2})
    gateway.set(**{"channels.quiet.presence": "members", "channels.dark.presence": "off"})
    links = [client(gateway) for _ in range(4)]
    for link in links[:3]:
        link.ask(id=1, subscribe="quiet", join=True)
        link.ask(id=2, subscribe="dark", join=True)
    named = links[3].ask(id=3, presence="quiet")
    assert (len(named["clients"]), named["count"]) == (2, 3)
    assert links[3].ask(id=4, presence="dark")["error"]["code"] == "no-presence"
    assert links[0].ask(id=5, ping=1)["ping"] == 1, "nobody was told of the others"


def test_a_channels_rules_hold_and_change_while_it_runs(start, client):
    gateway = start()
    gateway.set(
        **{"channels.tight.*.max_subscribers": 1, "channels.ro.publish": "nobody", "channels.u.publish": "users"}
    )
    first, second = client(gateway), client(gateway)
    assert first.ask(id=1, subscribe="tight.a")["ok"]
    assert second.ask(id=1, subscribe="tight.a")["error"]["code"] == "channel-full"
    gateway.set(**{"channels.tight.*.max_subscribers": 2})
    assert second.ask(id=2, subscribe="tight.a")["ok"]
    assert "no client may" in second.ask(id=3, publish="ro", data=1)["error"]["message"]
    assert "only users" in second.ask(id=3, publish="u", data=1)["error"]["message"]
    assert gateway.publish("ro", 1) == 1, "the program may"
    gateway.set(**{"channels.ro.publish": ""})
    assert second.ask(id=4, publish="ro", data=1)["offset"] == 2
    gateway.set(history_messages=0)
    assert second.ask(id=5, history="ro")["messages"] == []


def test_the_gateways_own_channels_are_not_for_clients(start, client):
    reader = client(start())
    for request in ({"subscribe": "$presence:a"}, {"publish": "$x", "data": 1}, {"history": "$x"}):
        assert reader.ask(id=1, **request)["error"]["code"] == "bad-channel"


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

    def past(self, channel, since, limit, done):
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


def test_a_replay_waits_until_its_client_has_read_what_waits_already(start, client, raw, until):
    settings = {
        "queue_max_bytes": 400_000,
        "overflow": "drop-oldest",
        "history_bytes": 300_000,
        "send_buffer_bytes": 8192,
    }
    gateway = start(settings=settings)
    epoch = client(gateway).ask(id=1, subscribe="a")["epoch"]
    for _ in range(25):
        gateway.publish("a", "x" * 8000)
    slow = raw(gateway, receive_buffer=4096)
    slow.say(id=1, subscribe="b")
    assert slow.read_json()["ok"]

    def stuffed():
        gateway.publish("b", "y" * 8000)
        return gateway.queues["queued_bytes"] > 300_000

    until(stuffed)
    slow.say(id=2, subscribe="a", since={"epoch": epoch, "offset": 0})
    until(lambda: gateway.stats["requests_pending"] == 1)
    told = slow.read_json()
    while told.get("id") != 2:
        assert told["channel"] == "b"
        told = slow.read_json()
    assert (told["recovered"], told["messages"]) == (True, 25)
    assert [slow.read_json()["offset"] for _ in range(25)] == list(range(1, 26))
    assert gateway.stats["dropped"] == {}


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
