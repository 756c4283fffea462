import asyncio
import json
import socket
import urllib.error
import urllib.request

import pytest

import plumbline.streaming
from plumbline.streaming import Gateway
from plumbline.streaming.server.metrics import COUNTERS, GAUGES, HISTOGRAMS, LABELLED

PATIENCE_S = 20


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read().decode()


def test_a_published_message_reaches_all_readers_of_its_channel_and_nobody_else(start, client, loop_factory):
    gateway = start(loop_factory=loop_factory)
    first, second, other, publisher = (client(gateway) for _ in range(4))
    for number, (link, channel) in enumerate([(first, "scores"), (second, "scores"), (other, "news")]):
        assert link.ask(id=number, subscribe=channel)["id"] == number

    answer = publisher.ask(id="p", publish="scores", data={"score": 0.93})
    assert answer == {"id": "p", "ok": True, "epoch": answer["epoch"], "offset": 1}

    for link in (first, second):
        message = link.read()
        assert message == {"channel": "scores", "offset": 1, "data": {"score": 0.93}}
    assert other.ask(id=9, ping="nothing came before this")["ping"] == "nothing came before this"


def test_messages_of_a_channel_arrive_in_order_and_gap_free_under_a_burst(start, client, loop_factory):
    gateway = start(loop_factory=loop_factory)
    reader, publisher = client(gateway), client(gateway)
    reader.ask(id=1, subscribe="burst")
    for number in range(500):
        publisher.send(publish="burst", data=number)
    got = [reader.read() for _ in range(500)]
    assert [message["offset"] for message in got] == list(range(1, 501))
    assert [message["data"] for message in got] == list(range(500))


def test_a_program_publishes_into_its_own_gateway(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="features")
    assert gateway.publish("features", {"temperature": 21.5, "name": "größe"}) == 1
    assert reader.read()["data"]["name"] == "größe"
    with pytest.raises(ValueError, match="channel's name"):
        gateway.publish("not a name", 1)
    with pytest.raises(ValueError, match="not JSON serializable"):
        gateway.publish("features", object())


def test_after_unsubscribing_nothing_more_arrives(start, client):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    assert reader.ask(id=2, unsubscribe="a") == {"id": 2, "ok": True}
    gateway.publish("a", 1)
    assert reader.ask(id=3, ping=None)["id"] == 3
    assert reader.ask(id=4, unsubscribe="a")["error"]["code"] == "not-subscribed"


def test_subscriptions_are_limited_and_a_refusal_keeps_the_connection_open(start, client):
    gateway = start(settings={"max_subscriptions": 2})
    reader = client(gateway)
    for name in "ab":
        assert reader.ask(id=name, subscribe=name)["ok"]
    assert reader.ask(id=3, subscribe="c")["error"]["code"] == "too-many-subscriptions"
    assert reader.ask(id=4, subscribe="a")["ok"], "a second time is no more subscriptions"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "malformed"),
        ("[1]", "malformed"),
        ('{"id": 1}', "unknown-command"),
        ('{"id": 1, "publsh": "a"}', "unknown-command"),
        ('{"id": 1, "publish": "a", "data": 1e999}', "malformed"),
        ('{"id": 1, "subscribe": ""}', "bad-channel"),
        ("[" * 60000, "malformed"),
    ],
)
def test_a_message_that_is_no_request_is_answered_and_counted(start, client, text, code):
    gateway = start()
    link = client(gateway)
    link.link.send(text)
    answer = link.read()
    assert answer["error"]["code"] == code
    assert gateway.stats["errors"] == {code: 1}
    assert link.ask(id=2, ping=1)["ok"]


def test_health_metrics_and_other_paths_answer_on_the_same_port(start, client):
    gateway = start()
    link = client(gateway)
    link.ask(id=1, subscribe="a")
    base = gateway.url.replace("ws://", "http://")

    status, headers, body = get(base + "healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert headers["Content-Type"] == "application/json"
    status, headers, body = get(base + "metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "plumbline_gateway_connections 1.0" in body
    assert "plumbline_gateway_subscriptions 1.0" in body
    assert get(base)[0] == 426
    assert get(base + "nothing")[0] == 404


def test_every_gauge_and_counter_is_exposed(start):
    gateway = start()
    body = get(gateway.gateway.metrics_url)[2]
    for name, *_ in [*GAUGES.values(), *COUNTERS.values(), *LABELLED.values(), *HISTOGRAMS.values()]:
        assert f"# TYPE plumbline_gateway_{name}" in body
    known = set(GAUGES) | set(COUNTERS) | set(LABELLED) | {key for pair in HISTOGRAMS for key in pair}
    assert set(gateway.stats) - known == {"pid", "uptime_s", "resident_bytes", "open_files_limit"}


def test_one_connection_too_many_is_told_when_to_come_back(start, client, raw):
    gateway = start(settings={"max_connections": 1})
    client(gateway)
    late = raw(gateway)
    assert late.status == 503
    assert 1 <= int(late.headers["retry-after"]) <= 5
    assert gateway.stats["rejected"] == {"max-connections": 1}
    gateway.set(max_connections=2)
    assert raw(gateway).status == 101


def test_a_foreign_page_may_not_connect_unless_the_settings_name_it(start, raw):
    gateway = start()
    assert raw(gateway, headers="Origin: https://evil.example\r\n").status == 403
    assert raw(gateway, headers=f"Origin: http://{gateway.gateway.address}\r\n").status == 101
    gateway.set(allowed_origins="https://app.example")
    assert raw(gateway, headers="Origin: https://app.example\r\n").status == 101
    assert gateway.stats["rejected"] == {"origin": 1}


def test_who_does_not_complete_a_request_is_dropped_and_counted(start, raw, until):
    gateway = start(settings={"handshake_timeout_s": 600})
    with socket.create_connection((gateway.gateway.address.host, gateway.gateway.address.port), PATIENCE_S) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert raw(gateway).status == 101  # what was said before has been read, too
        gateway.set(handshake_timeout_s=0.05)
        until(lambda: gateway.stats["handshake_timeouts"] == 1, "the handshake time-out")
        assert slow.recv(12) == b"HTTP/1.1 408"
    assert gateway.stats["handshakes_waiting"] == 0


def test_a_connection_that_ends_is_forgotten_with_all_it_held(start, client, until):
    gateway = start()
    link = client(gateway)
    link.ask(id=1, subscribe="a")
    link.link.close()
    until(lambda: gateway.stats["connections"] == 0)
    stats = gateway.stats
    assert stats["subscriptions"] == 0
    assert stats["closes"] == {"normal": 1}
    close = gateway.recent[0]
    assert (close["code"], close["reason"], close["by"], close["clean"]) == (1000, "normal", "peer", True)


def test_a_client_that_vanishes_is_lost_and_not_clean(start, raw, until):
    gateway = start()
    link = raw(gateway)
    link.close()
    close = until(lambda: gateway.recent)[0]
    assert (close["code"], close["reason"], close["by"], close["clean"]) == (1006, "lost", "network", False)
    assert close["age_s"] >= close["idle_s"] >= 0


def test_a_silent_client_is_pinged_and_a_dead_one_is_closed_with_its_code(start, client, raw, until):
    gateway = start(settings={"heartbeat_interval_s": 0.05, "heartbeat_timeout_s": 1.0, "close_timeout_s": 0.05})
    alive, dead = client(gateway), raw(gateway)
    assert dead.read() == (9, b"")
    assert dead.read_close() == (4010, "no answer to a ping")
    until(lambda: gateway.stats["closes"] == {"heartbeat-timeout": 1})
    assert alive.ask(id=1, ping=1)["ok"], "who answers pings stays"
    assert gateway.stats["pings"] >= 2


def test_with_heartbeats_off_nobody_is_pinged(start, raw):
    gateway = start(settings={"heartbeat_interval_s": 0})
    link = raw(gateway)
    link.say(id=1, ping=1)
    assert link.read()[0] == 1
    gateway.set(heartbeat_interval_s=0.05)
    assert link.read() == (9, b""), "and the setting is live"


def test_a_ping_of_the_client_is_answered_with_its_own_words(start, raw):
    link = raw(start())
    link.frame(9, b"how are you")
    assert link.read() == (10, b"how are you")


def test_stopping_closes_everybody_with_a_code_and_refuses_newcomers(start, client, raw):
    gateway = start(settings={"close_timeout_s": 0.1})
    polite, deaf = client(gateway), raw(gateway)
    address = (gateway.gateway.address.host, gateway.gateway.address.port)
    gateway.stop()
    with pytest.raises(Exception, match="1012"):
        polite.read()
    assert deaf.read_close()[0] == 1012
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, PATIENCE_S)
    with pytest.raises(RuntimeError, match="does not run"):
        gateway.gateway.stats()


def test_a_taken_port_is_an_error_of_the_operating_system(start):
    gateway = start()
    with pytest.raises(OSError, match="in use"):
        start(listen=str(gateway.gateway.address))


def test_a_gateway_can_be_started_again_after_it_stopped(start):
    async def twice():
        gateway = Gateway()
        async with gateway:
            gateway.configure({"max_connections": 7})
            first = gateway.url
        async with gateway:
            return first == gateway.url, gateway.settings.max_connections

    assert asyncio.run(twice()) == (True, 7)


def test_the_listen_backlog_changes_on_the_live_socket(start, client):
    gateway = start(settings={"listen_backlog": 8})
    link = client(gateway)
    assert gateway.stats["accept_backlog"] == 8
    gateway.set(listen_backlog=64)
    assert gateway.stats["accept_backlog"] == 64
    assert link.ask(id=1, ping=1)["ok"], "nobody was disconnected"
    assert client(gateway)


def test_the_package_names_what_it_lacks():
    with pytest.raises(AttributeError, match="no attribute 'Gatway'"):
        _ = plumbline.streaming.Gatway
