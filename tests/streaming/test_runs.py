"""Messages of one turn go out joined; what was promised of each of them holds all the same."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.server import connection as connections
from plumbline.streaming.server import link as links
from plumbline.streaming.server.run import MOST_MESSAGES, cut

FRAMES = st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=6)


def in_one_turn(gateway, *calls):
    """Call these one after the other, with no turn of the loop between them."""

    async def all_of_them():
        for call in calls:
            call()

    gateway.do(all_of_them())


def publisher(gateway, channel="a"):
    def publish(number):
        hub = gateway.gateway._hub
        return lambda: hub.fanout.publish(channel, b"%d" % number, None, lambda _: None)

    return publish


@given(FRAMES, st.data())
def test_what_the_kernel_did_not_take_is_cut_between_frames(frames, data):
    whole = b"".join(frames)
    count = data.draw(st.integers(0, len(whole)))
    sent, rest = cut(frames, count)
    assert whole[:count] + rest + b"".join(frames[sent:]) == whole
    assert bool(rest) == (count < len(whole)), "the frame that is begun next stands first"


def test_whoever_subscribes_in_the_middle_of_a_turn_gets_what_comes_after_it_and_nothing_else(start, client):
    gateway = start()
    early, late = client(gateway), client(gateway)
    early.ask(id=1, subscribe="a")
    late.ask(id=1, ping=1)
    publish = publisher(gateway)

    def subscribe():
        hub = gateway.gateway._hub
        connection = next(one for one in hub.connections.values() if not hub.subscriptions(one))
        hub.received(connection, '{"id":2,"subscribe":"a"}')

    in_one_turn(gateway, publish(1), publish(2), subscribe, publish(3))
    assert [early.read()["data"] for _ in range(3)] == [1, 2, 3]
    assert late.read()["offset"] == 2
    assert late.read()["data"] == 3
    assert late.ask(id=3, ping=1)["ok"], "nothing came between"


def test_whoever_unsubscribes_in_the_middle_of_a_turn_has_what_came_before(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    publish = publisher(gateway)

    def unsubscribe():
        hub = gateway.gateway._hub
        hub.received(next(iter(hub.connections.values())), '{"id":2,"unsubscribe":"a"}')

    in_one_turn(gateway, publish(1), publish(2), unsubscribe, publish(3))
    assert [reader.read()["data"] for _ in range(2)] == [1, 2]
    assert reader.read() == {"id": 2, "ok": True}
    assert reader.ask(id=3, ping=1)["ok"], "nothing came after"


def test_whoever_is_closed_in_the_middle_of_a_turn_has_what_came_before(start, raw):
    gateway = start()
    reader = raw(gateway)
    reader.say(id=1, subscribe="a")
    assert reader.read_json()["ok"]
    publish = publisher(gateway)

    def close():
        hub = gateway.gateway._hub
        assert hub.end(next(iter(hub.connections.values())), 4000, "enough") == 0, "none is lost"

    in_one_turn(gateway, publish(1), publish(2), close, publish(3))
    assert [reader.read_json()["data"] for _ in range(2)] == [1, 2]
    assert reader.read_close()[0] == 4000


def test_a_clients_own_answer_stands_where_it_was_said_among_the_messages(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    publish = publisher(gateway)

    def ping():
        hub = gateway.gateway._hub
        hub.received(next(iter(hub.connections.values())), '{"id":2,"ping":1}')

    in_one_turn(gateway, publish(1), publish(2), ping, publish(3))
    said = [reader.read() for _ in range(4)]
    assert [one.get("data", "answer") for one in said] == [1, 2, "answer", 3]


def test_channels_of_one_turn_keep_the_order_in_which_they_were_published(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    reader.ask(id=2, subscribe="b")
    to_a, to_b = publisher(gateway, "a"), publisher(gateway, "b")
    in_one_turn(gateway, to_a(1), to_a(2), to_b(3), to_a(4), to_b(5), to_b(6))
    assert [reader.read()["data"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("policy", ["drop-oldest", "latest", "disconnect"])
def test_a_turn_with_more_than_a_slow_reader_may_have_waiting_is_bounded_by_the_policy(start, raw, until, policy):
    settings = {"queue_max_messages": 8, "overflow": policy, "send_buffer_bytes": 4096}
    gateway = start(settings=settings)
    slow = raw(gateway, receive_buffer=4096)
    slow.say(id=1, subscribe="a")
    assert slow.read_json()["ok"]
    hub = gateway.gateway._hub
    filling = b'"' + b"x" * 2000 + b'"'
    for _ in range(20):
        in_one_turn(gateway, *[lambda: hub.fanout.publish("a", filling, None, lambda _: None)] * 50)
        gateway.call(lambda: [len(one.outbox) <= 8 or pytest.fail("too many wait") for one in hub.connections.values()])
    if policy == "disconnect":
        until(lambda: gateway.stats["closes"].get("slow-consumer") == 1)
    else:
        assert gateway.stats["dropped"][policy] > 0
        assert gateway.stats["connections"] == 1


def test_publishers_that_wait_for_readers_are_held_by_what_came_in_the_same_turn(start, client, raw, until):
    settings = {"queue_max_messages": 20, "overflow": "wait", "send_buffer_bytes": 4096}
    gateway = start(settings=settings)
    slow, eager = raw(gateway, receive_buffer=4096), client(gateway)
    slow.say(id=1, subscribe="a")
    assert slow.read_json()["ok"]
    filling = "x" * 1500
    for number in range(400):
        eager.send(publish="a", data=[number, filling])
    until(lambda: gateway.stats["held_publishers"] == 1)
    assert [slow.read_json()["data"][0] for _ in range(400)] == list(range(400))
    assert gateway.stats["overflows"] == {}
    assert gateway.stats["connections"] == 2


def test_more_than_one_write_takes_goes_out_in_order_in_few_writes(start, client, monkeypatch):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    real, calls = links.os, []

    def write(fd, data):
        calls.append(len(data))
        return real.write(fd, data)

    for module in (links, connections):
        monkeypatch.setattr(module, "os", SimpleNamespace(write=write, writev=real.writev))
    publish = publisher(gateway)
    in_one_turn(gateway, *[publish(number) for number in range(3000)])
    assert [reader.read()["data"] for _ in range(3000)] == list(range(3000))
    assert 1 <= len(calls) <= 2 + 3000 // MOST_MESSAGES


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_write_that_is_taken_in_part_goes_on_where_it_stopped_and_holds_nobody_else(
    start, client, raw, monkeypatch, part
):
    gateway = start()
    partly, whole = raw(gateway), client(gateway)
    partly.say(id=1, subscribe="a")
    assert partly.read_json()["ok"]
    whole.ask(id=1, subscribe="a")
    hub = gateway.gateway._hub
    first = gateway.call(lambda: hub.connections[1])
    real, cuts = links.os, []

    def write(fd, data):
        if fd == first.fd and not cuts:
            cuts.append(len(data))
            return real.write(fd, data[: int(len(data) * part)])
        return real.write(fd, data)

    for module in (links, connections):
        monkeypatch.setattr(module, "os", SimpleNamespace(write=write, writev=real.writev))
    publish = publisher(gateway)
    in_one_turn(gateway, *[publish(number) for number in range(5)])
    gateway.call(lambda: first.ping(hub.now()))
    frames = [partly.read() for _ in range(6)]
    assert [json.loads(payload)["data"] for opcode, payload in frames if opcode == 1] == list(range(5))
    assert [opcode for opcode, _ in frames].count(9) == 1, "the ping stands between whole frames"
    assert [whole.read()["data"] for _ in range(5)] == list(range(5))
    assert len(cuts) == 1
    assert gateway.stats["connections"] == 2
