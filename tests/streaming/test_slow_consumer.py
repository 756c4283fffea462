"""A client that does not read, under each policy, over real sockets."""

import asyncio
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvloop

from plumbline.streaming.probes.sockets import rows

BIG = "x" * 4000  # bytes of one message's text
SMALL_QUEUE = {
    "queue_max_bytes": 50_000,
    "queue_max_messages": 1000,
    "heartbeat_interval_s": 0,
    "write_timeout_s": 0,
    "close_timeout_s": 0.05,
    "send_buffer_bytes": 16384,
}


def with_readers(start, client, raw, loop_factory=uvloop.new_event_loop, **settings):
    """Return a gateway, a reader that reads, one that does not, and a publisher."""
    gateway = start(settings=SMALL_QUEUE | settings, loop_factory=loop_factory)
    quick, slow, publisher = client(gateway), raw(gateway, receive_buffer=4096), client(gateway)
    quick.ask(id=1, subscribe="a")
    slow.say(id=1, subscribe="a")
    assert slow.read_json()["ok"]
    return gateway, quick, slow, publisher


def queue_of_slow(gateway):
    return max(gateway.queues["queues"], key=lambda queue: queue["queued_bytes"])


def publish_and_read(publisher, quick, first, last):
    for number in range(first, last + 1):
        publisher.ask(id=number, publish="a", data=[number, BIG])
        assert quick.read()["offset"] == number


def read_rest(slow):
    """Read what is left until a message says it is the last; return the offsets."""
    offsets = []
    while True:
        message = slow.read_json()
        if "offset" in message:
            offsets.append(message["offset"])
            if message["data"] == "last":
                return offsets


def test_disconnect_closes_the_slow_one_with_its_code_and_nobody_else_feels_it(start, client, raw, until):
    gateway, quick, _, publisher = with_readers(start, client, raw, overflow="disconnect")
    number = 0
    while gateway.stats["overflows"] == {}:
        number += 1
        publish_and_read(publisher, quick, number, number)
        assert gateway.stats["fullest_queue_bytes"] <= 50_000
    until(lambda: gateway.stats["closes"] == {"slow-consumer": 1})
    assert gateway.recent[0]["code"] == 4008
    assert gateway.stats["queued_bytes"] == 0, "its memory is free at once"
    publish_and_read(publisher, quick, number + 1, number + 3)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc/net/tcp")
def test_the_kernel_keeps_nothing_for_a_reader_that_was_dropped(start, client, raw, until, loop_factory):
    gateway, quick, _, publisher = with_readers(start, client, raw, loop_factory, overflow="disconnect")
    number = 0
    while gateway.stats["overflows"] == {}:
        number += 1
        publish_and_read(publisher, quick, number, number)
    port = f"{urlsplit(gateway.url).port:04X}"
    table = Path("/proc/net/tcp")
    until(lambda: not [row for row in rows(table.read_text()) if row.port == port and row.send_queue])


def test_a_slow_reader_that_wakes_up_in_time_sees_why_it_was_closed(start, client, raw):
    gateway, quick, slow, publisher = with_readers(start, client, raw, overflow="disconnect", close_timeout_s=20)
    number = 0
    while gateway.stats["overflows"] == {}:
        number += 1
        publish_and_read(publisher, quick, number, number)
    assert slow.read_close() == (4008, "reads more slowly than its channels speak")


def test_drop_oldest_keeps_the_newest_in_order_and_counts_the_lost(start, client, raw, loop_factory):
    gateway, quick, slow, publisher = with_readers(start, client, raw, loop_factory, overflow="drop-oldest")
    publish_and_read(publisher, quick, 1, 60)
    assert gateway.stats["fullest_queue_bytes"] <= 50_000
    publisher.ask(id=0, publish="a", data="last")
    offsets = read_rest(slow)
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == 61
    lost = 61 - len(offsets)
    assert lost > 0
    assert gateway.stats["dropped"] == {"drop-oldest": lost}
    assert gateway.stats["closes"] == {}


def test_latest_keeps_the_last_message_of_each_channel(start, client, raw):
    gateway, quick, slow, publisher = with_readers(start, client, raw, overflow="latest")
    slow.say(id=2, subscribe="b")
    assert slow.read_json()["ok"]
    publisher.ask(id=0, publish="b", data="only one")
    publish_and_read(publisher, quick, 1, 60)
    assert len(gateway.queues["queues"]) == 3
    assert gateway.stats["fullest_queue_bytes"] <= 50_000
    publisher.ask(id=0, publish="b", data="newest of b")
    publisher.ask(id=0, publish="a", data="last")
    offsets = {"a": [], "b": []}
    while 61 not in offsets["a"]:
        message = slow.read_json()
        offsets[message["channel"]].append(message["offset"])
    assert offsets["b"][-1] == 2
    assert offsets["a"] == sorted(offsets["a"])
    assert gateway.stats["dropped"]["latest"] == 61 - len(offsets["a"])


@pytest.fixture
def stalled(start, client, raw, until, loop_factory):
    """A gateway whose policy is `wait`, with a full queue, a held publisher and a hungry quick reader."""
    gateway, quick, slow, publisher = with_readers(start, client, raw, loop_factory, overflow="wait")
    sent = 0
    while gateway.stats["held_publishers"] == 0:
        sent += 1
        publisher.send(publish="a", data=[sent, BIG])
        until(lambda sent=sent: gateway.stats["published"] == sent or gateway.stats["held_publishers"])
    for number in range(1, gateway.stats["published"] + 1):
        assert quick.read()["offset"] == number
    return gateway, quick, slow, publisher, sent


def test_wait_holds_the_publisher_and_with_it_everybody(stalled):
    gateway, quick, _, publisher, sent = stalled
    before = gateway.stats["published"]
    assert before == sent - 1
    publisher.send(publish="a", data="held too")
    with pytest.raises(TimeoutError):
        quick.link.recv(timeout=0.2)  # nothing comes: the stall is what is under test
    stats = gateway.stats
    assert stats["published"] == before
    assert 50_000 - 5_000 <= stats["fullest_queue_bytes"] <= 50_000
    assert stats["holds"] == 1
    assert stats["closes"] == {}


def test_wait_loses_nothing_once_the_reader_reads(stalled):
    gateway, quick, slow, publisher, sent = stalled
    publisher.send(publish="a", data="last")
    assert read_rest(slow) == list(range(1, sent + 2))
    assert quick.read()["offset"] == sent
    assert quick.read()["data"] == "last"
    assert gateway.stats["held_publishers"] == 0
    assert gateway.stats["dropped"] == {}


def test_a_live_change_of_policy_frees_everybody_at_once_and_closes_the_slow_one(stalled, until):
    gateway, quick, _, publisher, sent = stalled
    gateway.set(overflow="disconnect")
    assert quick.read()["offset"] == sent, "the held message goes out"
    publisher.ask(id=1, publish="a", data="and the next")
    assert quick.read()["data"] == "and the next"
    until(lambda: gateway.stats["closes"] == {"slow-consumer": 1})
    stats = gateway.stats
    assert stats["queued_bytes"] == 0
    assert stats["held_publishers"] == 0


def test_raising_the_limit_lets_a_held_publisher_go_on(stalled):
    gateway, quick, _, _, sent = stalled
    gateway.set(queue_max_bytes=1_000_000)
    assert quick.read()["offset"] == sent
    assert gateway.stats["held_publishers"] == 0


def test_a_held_publisher_goes_on_when_the_slow_reader_vanishes(stalled, until):
    gateway, quick, slow, _, sent = stalled
    slow.close()
    assert quick.read()["offset"] == sent
    until(lambda: gateway.stats["held_publishers"] == 0)


def test_a_program_that_publishes_waits_too(stalled):
    gateway, quick, _, _, sent = stalled
    waiting = asyncio.run_coroutine_threadsafe(gateway.gateway.publish("a", "from inside"), gateway._loop)
    with pytest.raises(TimeoutError):
        waiting.result(0.2)
    gateway.set(overflow="drop-oldest")
    assert waiting.result(20) == sent + 1
    assert [quick.read()["offset"] for _ in range(2)] == [sent, sent + 1]


def test_a_held_publisher_is_not_taken_for_dead(stalled, until):
    gateway, _, _, publisher, _ = stalled
    gateway.set(heartbeat_interval_s=0.05, heartbeat_timeout_s=1.0)
    until(lambda: gateway.stats["closes"].get("heartbeat-timeout"), "the end of the one that does not read")
    publisher.ask(id=5, ping="still here")


def test_lowering_the_limit_applies_to_what_waits_already(start, client, raw, until):
    gateway, quick, _, publisher = with_readers(start, client, raw, overflow="drop-oldest")
    publish_and_read(publisher, quick, 1, 40)
    gateway.set(queue_max_bytes=10_000)
    assert gateway.stats["fullest_queue_bytes"] <= 10_000
    gateway.set(overflow="disconnect", queue_max_bytes=1024)
    until(lambda: gateway.stats["closes"] == {"slow-consumer": 1})


def test_who_takes_no_byte_for_the_write_timeout_is_closed(start, client, raw, until):
    gateway, quick, _, publisher = with_readers(start, client, raw, overflow="drop-oldest", write_timeout_s=0.05)
    publish_and_read(publisher, quick, 1, 40)
    until(lambda: gateway.stats["closes"] == {"write-timeout": 1})
    assert gateway.recent[0]["code"] == 4009


def test_a_client_that_only_asks_and_never_reads_cannot_fill_memory(start, raw, until):
    gateway = start(settings=SMALL_QUEUE | {"overflow": "drop-oldest"})
    glutton = raw(gateway, receive_buffer=4096)

    def ask_on():
        for number in range(100_000):
            glutton.say(id=number, ping=BIG)

    with pytest.raises(OSError, match=r"reset|pipe"):
        ask_on()
    until(lambda: gateway.stats["closes"] == {"slow-consumer": 1})


def test_pings_of_a_client_that_never_reads_cannot_fill_memory(start, client, raw):
    _, quick, slow, publisher = with_readers(start, client, raw, overflow="drop-oldest")
    publish_and_read(publisher, quick, 1, 60)
    for number in range(2000):
        slow.frame(9, b"%d" % number)
    publisher.ask(id=0, publish="a", data="last")
    pongs, message = [], {}
    while message.get("data") != "last":
        opcode, payload = slow.read()
        if opcode == 10:
            pongs.append(payload)
        else:
            message = json.loads(payload)
    assert pongs == [b"1999"], "only the last ping is answered, and before the queue"


def test_the_backlog_waits_in_the_gateway_and_not_in_the_kernel(start, client, raw):
    unlimited = {"send_buffer_bytes": 0, "queue_max_bytes": 10 << 20, "queue_max_messages": 100_000}
    gateway, quick, _, publisher = with_readers(start, client, raw, **unlimited)
    publish_and_read(publisher, quick, 1, 300)
    queue = queue_of_slow(gateway)
    assert queue["queued_bytes"] > 300 * len(BIG) // 2
    assert queue["kernel_unsent_bytes"] < 100_000, "TCP_NOTSENT_LOWAT keeps it short"
    assert queue["oldest_s"] >= 0
    assert queue["queued_messages"] > 100
