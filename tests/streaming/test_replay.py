"""What a client missed is sent to it, in slices at its own pace if it is much, and then what is new."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.sse import write_positions


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


def test_more_than_the_queue_ever_holds_is_replayed_whole(start, client):
    gateway = start(settings={"queue_max_messages": 4})
    epoch = client(gateway).ask(id=1, subscribe="a")["epoch"]
    fill(gateway, "a", 9)
    reader = client(gateway)
    told = reader.ask(id=1, subscribe="a", since={"epoch": epoch, "offset": 0})
    assert (told["recovered"], told["messages"]) == (True, 9)
    assert offsets(take(reader, 9)) == list(range(1, 10))


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


def test_a_replay_waits_until_its_client_has_read_what_waits_already(start, client, raw, until):
    settings = {
        "queue_max_bytes": 400_000,
        "overflow": "drop-oldest",
        "history_bytes": 300_000,
        "send_buffer_bytes": 8192,
    }
    gateway = start(settings=settings)
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
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


SMALL_QUEUE = {
    "queue_max_bytes": 16_384,
    "send_buffer_bytes": 4096,
    "history_messages": 3000,
    "history_bytes": 16 << 20,
    "recovery_buffer_messages": 10,
}
FILLING = "x" * 2000


def publish_many(gateway, count):
    async def burst():
        for _ in range(count):
            await gateway.gateway.publish("a", FILLING)

    gateway.do(burst())


def come_back(gateway, raw, epoch):
    reader = raw(gateway, receive_buffer=4096)
    reader.say(id=1, subscribe="a", since={"epoch": epoch, "offset": 0})
    return reader


def test_a_slow_reader_is_replayed_a_hundred_queues_full_while_more_is_published(start, client, raw, until):
    gateway = start(settings=SMALL_QUEUE)
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 500)
    slow = come_back(gateway, raw, epoch)
    told = slow.read_json()
    assert (told["recovered"], told["messages"], told["offset"]) == (True, 500, 500)
    seen = []
    while len(seen) < 1000:
        if len(seen) < 500 and len(seen) % 50 == 0:
            publish_many(gateway, 50)  # live for others; this one takes them from history, when it is level
            assert gateway.queues["queued_bytes"] <= SMALL_QUEUE["queue_max_bytes"] // 2
        seen.append(slow.read_json()["offset"])
    assert seen == list(range(1, 1001))
    until(lambda: gateway.queues["queued_bytes"] == 0)
    publish_many(gateway, 1)
    assert slow.read_json()["offset"] == 1001, "from here on it is live"
    stats = gateway.stats
    assert stats["closes"] == {}
    assert stats["dropped"] == {}
    assert stats["recoveries"] == {"recovered": 1}


def test_events_are_replayed_at_the_readers_pace_too(start, client):
    gateway = start(settings={**SMALL_QUEUE, "history_messages": 400})
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 300)
    where = urlsplit(gateway.url)
    with socket.create_connection((where.hostname, where.port), 20) as sock, sock.makefile("rb") as stream:
        known = write_positions({"a": Position(epoch, 0)})
        sock.sendall(b"GET /sse/a HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %b\r\n\r\n" % known)
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))
        assert next(told)["messages"] == 300
        assert [next(told)["offset"] for _ in range(300)] == list(range(1, 301))
    assert gateway.stats["dropped"] == {}


def test_whoever_does_not_read_its_replay_is_closed_by_the_write_timeout(start, client, raw, until):
    gateway = start(settings={**SMALL_QUEUE, "write_timeout_s": 0.2})
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 500)
    come_back(gateway, raw, epoch)
    until(lambda: gateway.stats["closes"].get("write-timeout"))
    assert gateway.stats["replayed"] < 500


def test_whoever_is_outrun_by_history_during_its_replay_is_told_and_may_come_back(start, client, raw):
    gateway = start(settings=SMALL_QUEUE)
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 1500)
    slow = come_back(gateway, raw, epoch)
    assert slow.read_json()["recovered"] is True
    gateway.set(history_messages=5)
    publish_many(gateway, 1)
    seen = []
    while "offset" in (told := slow.read_json()):
        seen.append(told["offset"])
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) < 1500
    assert told["channel"] == "a"
    assert (told["ended"]["code"], told["ended"]["again"]) == ("insufficient-state", True)
    slow.say(id=2, subscribe="a", since={"epoch": epoch, "offset": seen[-1]})
    assert slow.read_json()["recovered"] is False


def test_other_channels_go_on_beside_a_replay(start, client, raw):
    gateway = start(settings=SMALL_QUEUE)
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 300)
    slow = come_back(gateway, raw, epoch)
    slow.say(id=2, subscribe="b")
    told, seen, others = slow.read_json(), [], []
    while len(seen) < 300:
        told = slow.read_json()
        if told.get("id") == 2:
            fill(gateway, "b", 5)
        elif told["channel"] == "b":
            others.append(told["offset"])
        else:
            seen.append(told["offset"])
    assert seen == list(range(1, 301))
    assert others == [1, 2, 3, 4, 5][: len(others)]
    assert gateway.stats["closes"] == {}


def test_who_leaves_the_channel_during_its_replay_gets_no_more_of_it(start, client, raw, until):
    gateway = start(settings=SMALL_QUEUE)
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    publish_many(gateway, 500)
    slow = come_back(gateway, raw, epoch)
    slow.say(id=2, unsubscribe="a")
    told = slow.read_json()
    while told.get("id") != 2:
        told = slow.read_json()
    assert told["ok"]
    slow.say(id=3, ping=1)
    while (told := slow.read_json()).get("id") != 3:
        assert told["offset"] <= 500
    assert gateway.stats["replayed"] < 500
    assert gateway.stats["subscriptions"] == 0


def test_a_storm_makes_each_message_once(start, client, monkeypatch):
    made = []
    published = Message.published

    def counted(channel, position, data):
        made.append(position.offset)
        return published(channel, position, data)

    gateway = start()
    epoch = client(gateway).ask(id=1, history="a")["epoch"]
    fill(gateway, "a", 50)
    monkeypatch.setattr(Message, "published", counted)
    for since in (0, 0, 10, 20, 30):
        reader = client(gateway)
        reader.ask(id=1, subscribe="a", since={"epoch": epoch, "offset": since})
        assert offsets(take(reader, 50 - since)) == list(range(since + 1, 51))
    assert sorted(made) == list(range(1, 51))
