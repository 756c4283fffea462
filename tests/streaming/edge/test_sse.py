"""Server-sent events over real sockets: the same gateway, another wire."""

import json

import pytest


def test_readers_of_both_kinds_get_the_same_messages(start, client, http):
    gateway = start()
    events = http(gateway).ask("GET /sse?channel=a")
    status, headers = events.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    began = events.data()
    assert (began["ok"], began["channel"], began["offset"]) == (True, "a", 0)
    socket = client(gateway)
    socket.ask(id=1, subscribe="a")
    gateway.publish("a", {"score": 1})
    assert events.data() == socket.read() == {"channel": "a", "offset": 1, "data": {"score": 1}}
    assert gateway.stats["connections"] == 2


def test_a_browser_that_comes_back_gets_what_it_missed_of_all_its_channels(start, http):
    gateway = start(settings={"history_messages": 100})
    first = http(gateway).ask("GET /sse/a,b")
    first.head()
    first.data(), first.data()
    gateway.publish("a", 1)
    gateway.publish("b", 2)
    last = [first.event() for _ in range(2)][-1][2]
    first.close()
    for number in range(3):
        gateway.publish("a", number)
        gateway.publish("b", number)
    second = http(gateway).ask("GET /sse/a,b", f"Last-Event-ID: {last}")
    second.head()
    got = [second.data() for _ in range(8)]
    assert [item["recovered"] for item in got if item.get("ok")] == [True, True]
    for name in ("a", "b"):
        assert [item["offset"] for item in got if item["channel"] == name and "data" in item] == [2, 3, 4]


def test_one_that_breaks_off_half_way_through_the_missed_messages_loses_none(start, http):
    gateway = start(settings={"history_messages": 100})
    for number in range(5):
        gateway.publish("a", number)
    epoch = gateway.publish("a", 5)
    del epoch
    probe = http(gateway).ask("GET /sse/a")
    probe.head()
    epoch = probe.data()["epoch"]
    half = http(gateway).ask("GET /sse/a", f"Last-Event-ID: a={epoch}:0")
    half.head()
    assert half.event()[2].endswith(":0"), "the answer alone moves nothing"
    assert half.event()[2].endswith(":1")
    assert half.event()[2].endswith(":2")


def test_history_that_no_longer_reaches_is_said(start, http):
    gateway = start(settings={"history_messages": 1})
    for number in range(3):
        gateway.publish("a", number)
    events = http(gateway).ask("GET /sse/a", "Last-Event-ID: a=strange:1")
    events.head()
    assert events.data()["recovered"] is False


def test_a_heartbeat_is_a_comment_and_asks_for_no_answer(start, http, until):
    gateway = start(settings={"heartbeat_interval_s": 0.05, "heartbeat_timeout_s": 0.05})
    events = http(gateway).ask("GET /sse/a")
    events.head()
    events.data()
    comments = 0
    while comments < 5:
        line = events.file.readline()
        assert line in (b":\n", b"\n", b"retry: \n") or line.startswith(b"retry")
        comments += line == b":\n"
    assert gateway.stats["connections"] == 1


def test_a_reader_that_does_not_read_is_closed_for_the_same_reason(start, http, until):
    gateway = start(settings={"queue_max_bytes": 4096, "send_buffer_bytes": 4096})
    events = http(gateway)
    events.sock.setsockopt(1, 8, 2048)  # SOL_SOCKET, SO_RCVBUF
    events.ask("GET /sse/a")
    events.head()
    until(lambda: gateway.stats["subscriptions"] == 1)
    for _ in range(400):
        gateway.publish("a", "x" * 1000)
        if gateway.stats["closes"] or gateway.stats["overflows"]:
            break
    until(lambda: gateway.stats["closes"] == {"slow-consumer": 1})
    assert gateway.stats["queued_bytes"] == 0


def test_the_last_event_says_why_and_when_to_come_back(start, http):
    gateway = start()
    events = http(gateway).ask("GET /sse/a")
    events.head()
    events.data()
    gateway.stop()
    kind, data, _ = events.event()
    told = json.loads(data)
    assert (kind, told["code"], told["reason"], told["again"]) == ("close", 1012, "service-restart", True)
    assert events.event() is None


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("GET /sse", 400, "which channel?"),
        ("GET /sse?channel=%20", 400, "a channel's name"),
        ("POST /sse/a", 405, "read with GET"),
        ("GET /sse/a?last-event-id=x", 400, "no position"),
    ],
)
def test_what_is_no_event_stream_is_refused_in_a_sentence(start, http, line, status, says):
    answer = http(start()).ask(line).answer()
    assert answer[0] == status
    assert says in answer[2]


def test_the_same_limits_hold_for_event_streams(start, http):
    gateway = start(settings={"max_connections": 1})
    http(gateway).ask("GET /sse/a").head()
    status, headers, _ = http(gateway).ask("GET /sse/a").answer()
    assert status == 503
    assert int(headers["retry-after"]) >= 1


def test_a_page_of_an_allowed_origin_may_read_the_events(start, http):
    gateway = start(settings={"allowed_origins": "https://app.example"})
    _, headers = http(gateway).ask("GET /sse/a", "Origin: https://app.example").head()
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert http(gateway).ask("GET /sse/a", "Origin: https://evil.example").answer()[0] == 403
