"""History, presence, batches, keys and rules, over real sockets."""

import json


def fill(gateway, channel, count, first=1):
    for number in range(first, first + count):
        gateway.publish(channel, number)


def take(link, count):
    return [link.read() for _ in range(count)]


def offsets(messages):
    return [message["offset"] for message in messages]


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
