"""Plain requests: one each, of bounded size, in bounded time."""

import json

import pytest


def post(link, body, *headers):
    return link.ask("POST /publish", "Content-Type: application/json", *headers, body=body)


def test_a_message_is_published_over_http_and_read_by_a_websocket(start, client, http):
    gateway = start()
    reader = client(gateway)
    reader.ask(id=1, subscribe="a")
    status, _, body = post(http(gateway), b'{"channel":"a","data":{"x":1}}').answer()
    assert status == 200
    told = json.loads(body)
    assert (told["ok"], told["offset"]) == (True, 1)
    assert reader.read()["data"] == {"x": 1}
    assert gateway.stats["connections"] == 1, "a request is no connection"
    assert gateway.stats["closes"] == {}


def test_a_message_with_a_key_is_stored_once(start, http):
    gateway = start()
    body = b'{"channel":"a","data":1,"key":"k"}'
    told = [json.loads(post(http(gateway), body).answer()[2])["offset"] for _ in range(2)]
    assert told == [1, 1]


def test_history_and_presence_are_answered(start, client, http):
    gateway = start(settings={"history_messages": 10, "presence": "members"})
    reader = client(gateway)
    reader.ask(id=1, subscribe="a", join=True)
    for number in range(3):
        gateway.publish("a", number)
    told = json.loads(http(gateway).ask("GET /history?channel=a&limit=2").answer()[2])
    assert [item["data"] for item in told["messages"]] == [1, 2]
    since = f"{told['epoch']}:1"
    told = json.loads(http(gateway).ask(f"GET /history?channel=a&since={since}").answer()[2])
    assert [item["offset"] for item in told["messages"]] == [2, 3]
    assert json.loads(http(gateway).ask("GET /presence?channel=a").answer()[2])["count"] == 1


@pytest.mark.parametrize(
    ("line", "body", "status", "says"),
    [
        ("POST /publish", b"{", 400, "no JSON"),
        ("POST /publish", b'{"channel":"a","data":1,"x":2}', 400, "the body is"),
        ("POST /publish", b'{"channel":"","data":1}', 400, "channel"),
        ("GET /publish", b"", 405, "POST"),
        ("GET /history", b"", 400, "which channel?"),
        ("GET /history?channel=a&limit=x", b"", 400, "a number"),
        ("GET /history?channel=a&since=x", b"", 400, "no position"),
        ("GET /nothing", b"", 404, "nothing here"),
        ("DELETE /healthz", b"", 405, "GET"),
        ("GET /ws", b"", 426, "WebSocket"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(start, http, line, body, status, says):
    answer = http(start()).ask(line, body=body).answer()
    assert answer[0] == status
    assert says in answer[2]


def test_a_page_of_an_allowed_origin_may_ask_before_it_publishes(start, http):
    gateway = start(settings={"allowed_origins": "https://app.example"})
    status, headers, _ = http(gateway).ask("OPTIONS /publish", "Origin: https://app.example").answer()
    assert status == 204
    assert headers["access-control-allow-methods"] == "POST"
    assert post(http(gateway), b'{"channel":"a"}', "Origin: https://evil.example").answer()[0] == 403


def test_a_second_request_behind_the_first_is_not_carried_out(start, http):
    gateway = start()
    body = b'{"channel":"a","data":1}'
    one = f"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    link = http(gateway)
    link.say(one + one)
    status, headers, body = link.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert json.loads(body)["offset"] == 1
    assert gateway.stats["published"] == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: x\r\n" % n for n in range(101)), 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, 413),
    ],
)
def test_a_request_that_is_too_large_or_none_is_refused_with_a_status(start, http, said, status):
    link = http(start())
    link.say(said)
    assert link.head()[0] == status


def test_one_byte_at_a_time_is_a_request_too_and_too_slowly_is_none(start, http, until):
    gateway = start()
    link = http(gateway)
    for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
        link.say(bytes((byte,)))
    assert link.answer()[0] == 200
    slow, silent = http(gateway), http(gateway)
    slow.say(b"GET /healthz HT")
    until(lambda: gateway.stats["handshakes_waiting"] == 2)
    assert http(gateway).ask("GET /healthz").answer()[0] == 200  # what was said before has been read, too
    gateway.set(handshake_timeout_s=0.05)
    assert slow.head()[0] == 408
    assert silent.file.read() == b""
    assert gateway.stats["handshake_timeouts"] == 2


def test_sockets_that_say_nothing_push_out_their_like_and_nobody_else(start, client, http, until):
    gateway = start(settings={"max_handshakes": 5, "handshake_timeout_s": 600})
    silent = [http(gateway) for _ in range(20)]
    until(lambda: gateway.stats["accepted"] == 20)
    assert gateway.stats["handshakes_waiting"] == 5
    assert client(gateway).ask(id=1, ping=1)["ok"]
    assert [link.file.read() for link in silent[:15]] == [b""] * 15


def test_an_address_with_too_many_handshakes_is_hung_up_on(start, http, until):
    gateway = start(settings={"max_handshakes_per_address": 1, "handshake_timeout_s": 600})
    http(gateway)
    until(lambda: gateway.stats["handshakes_waiting"] == 1)
    assert http(gateway).file.read() == b""
    assert gateway.stats["rejected"] == {"max-handshakes-per-address": 1}


def test_clients_beyond_the_rate_are_told_when_to_come_back_and_pages_are_not(start, raw, http):
    gateway = start(settings={"accept_rate": 0.1, "accept_burst": 2})  # the slowest that there is
    told = [raw(gateway) for _ in range(5)]
    assert [link.status for link in told] == [101, 101, 503, 503, 503]
    waits = [int(link.headers["retry-after"]) for link in told[2:]]
    assert waits == sorted(waits)
    assert waits[0] < waits[2], "each has its own place in the line"
    assert http(gateway).ask("GET /healthz").answer()[0] == 200


def test_it_is_ready_when_a_message_comes_back_and_not_when_the_broker_stores_none(start, http, monkeypatch):
    gateway = start()
    status, _, body = http(gateway).ask("GET /readyz").answer()
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert gateway.stats["deliveries"] == 0, "the canary is no client"
    gateway.set(canary_timeout_s=0.05)
    hub = gateway.gateway._hub
    monkeypatch.setattr(hub.broker, "publish", lambda *_: None)
    monkeypatch.setattr("plumbline.streaming.server.canary.REUSED_S", 0)
    status, _, body = http(gateway).ask("GET /readyz").answer()
    assert status == 503
    assert "no message came back within 0.05 s" in json.loads(body)["because"]
    hub.draining = True
    assert "draining" in http(gateway).ask("GET /readyz").answer()[2]
    assert http(gateway).ask("GET /healthz").answer()[0] == 200


def test_a_request_that_the_broker_never_answers_is_answered_all_the_same(start, http, monkeypatch):
    gateway = start()
    monkeypatch.setattr("plumbline.streaming.server.reception.ANSWER_S", 0.05)
    monkeypatch.setattr(gateway.gateway._hub.broker, "publish", lambda *_: None)
    status, headers, body = post(http(gateway), b'{"channel":"a","data":1}').answer()
    assert (status, headers["retry-after"]) == (503, "1")
    assert "no answer came in time" in body
