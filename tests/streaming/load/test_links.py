"""One connection against bytes that are written out by hand: every way in which servers answer."""

import asyncio
import json

import pytest

from plumbline.streaming.load import frames
from plumbline.streaming.load.crew import Crew
from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.plan import Role
from plumbline.streaming.load.stamp import Stamp, write
from plumbline.streaming.load.wire import Stage

OPENED = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + frames._ACCEPT + b"\r\n\r\n"


class Transport:
    def __init__(self):
        self.sent, self.closed, self.reading = [], None, True

    def write(self, data):
        self.sent.append(data)

    def close(self):
        self.closed = "closed"

    def abort(self):
        self.closed = "aborted"

    def is_closing(self):
        return self.closed is not None

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def said(self):
        return [json.loads(one[one.index(b"{") :]) for one in self.sent if b"{" in one]


class Door:
    """Opens nothing."""

    def request(self, number, attempts):
        return b"GET"

    async def open(self, link):
        raise ConnectionRefusedError(111, "refused")


def frame(payload, first=0x81):
    size = len(payload)
    head = bytes((first, size)) if size < 126 else bytes((first, 126)) + size.to_bytes(2, "big")
    return head + payload


def say(**message):
    return frame(json.dumps(message, separators=(",", ":")).encode())


def with_crew(roles, then, dialect="plumbline"):
    async def inside():
        crew = Crew(dialect, roles, Door(), 0.001, 1)
        links = []
        for link in crew.links:
            link.connection_made(Transport())
            links.append(link)
        found = then(crew, *links)
        if asyncio.iscoroutine(found):
            await found
        await crew.stop()

    asyncio.run(inside())


READER, PUBLISHER = Role(0, (("c", "all"),)), Role(1, (), "g", 0)


def test_a_handshake_in_pieces_a_long_frame_and_fragments_are_read():
    def then(crew, link):
        for at in range(0, len(OPENED), 10):
            link.data_received(OPENED[at : at + 10])
        assert link.stage == Stage.SUBSCRIBING
        link.data_received(say(id="s0", ok=True, epoch="e", offset=0))
        assert link.stage == Stage.UP
        data = write(Stamp(0, 1, 1), 300).decode()
        whole = json.dumps({"channel": "c", "offset": 1, "data": data}, separators=(",", ":")).encode()
        sent = frame(whole)
        link.data_received(sent[:3])
        link.data_received(sent[3:])
        other = whole.replace(b'"offset":1', b'"offset":2')
        link.data_received(frame(other[:50], 0x01) + frame(b"", 0x89) + frame(other[50:100], 0x00))
        link.data_received(frame(other[100:], 0x80))
        assert link.reads["c"].delivered == 2
        assert link.transport.sent[-1] == frames.frame(frames.PONG, b"")

    with_crew([READER], then)


@pytest.mark.parametrize(("answer", "code"), [(b"HTTP/1.1 503 x\r\n\r\n", "http-503"), (b"x" * 20_000, "no-http")])
def test_what_is_no_websocket_is_dropped_and_counted(answer, code):
    def then(crew, link):
        transport = link.transport
        link.data_received(answer)
        assert transport.closed == "aborted"
        link.connection_lost(None)
        assert crew.counts.failures == {code: 1}

    with_crew([READER], then)


def up(link, offset=0):
    link.data_received(OPENED)
    if link.reads:
        link.data_received(say(id="s0", ok=True, epoch="e", offset=offset))
    assert link.stage == Stage.UP


def test_a_close_is_answered_counted_and_followed_by_another_attempt():
    async def then(crew, link):
        up(link)
        transport = link.transport
        link.data_received(frame((4008).to_bytes(2, "big") + b"slow", 0x88))
        assert transport.closed == "closed"
        assert transport.sent[-1] == frames.frame(frames.CLOSE, (4008).to_bytes(2, "big"))
        link.connection_lost(None)
        assert crew.counts.closes == {"4008": 1}
        while not crew.counts.failures:  # noqa: ASYNC110 - the crew has no event for it
            await asyncio.sleep(0.001)
        assert crew.counts.failures["refused"] >= 1

    with_crew([READER], then)


def test_a_subscription_that_the_server_ended_is_asked_for_again_from_where_it_stood():
    def then(crew, link):
        link.data_received(OPENED)
        link.data_received(say(hello={"version": 2}))
        link.data_received(say(id="s0", ok=True, epoch="e", offset=7))
        link.data_received(say(channel="c", ended={"code": "insufficient-state"}))
        assert link.transport.said()[-1] == {"id": "s0", "subscribe": "c", "since": {"epoch": "e", "offset": 7}}
        assert crew.ended == {"insufficient-state": 1}

    with_crew([READER], then)


def test_who_is_asked_to_return_leaves_when_told_and_that_counts_against_the_server():
    async def then(crew, link):
        up(link)
        transport = link.transport
        link.data_received(say(reconnect={"after_s": 0.0, "because": "drain"}))
        while transport.closed is None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        assert crew.counts.returns == 1
        assert (crew.uptime.up, crew.uptime.wanted) == (0, 1)
        link.connection_lost(None)
        assert crew.counts.closes == {}

    with_crew([READER], then)


def test_a_refused_subscription_gives_the_connection_up():
    def then(crew, link):
        link.data_received(OPENED)
        link.data_received(say(id="s0", error={"code": "forbidden", "message": "no"}))
        assert link.transport.closed == "aborted"
        assert crew.refusals == {"forbidden": 1}

    with_crew([READER], then)


def test_a_publisher_keeps_what_it_cannot_send_and_sends_again_what_had_no_answer():
    async def then(crew, link):
        up(link)
        crew.version = 2
        link.pause_writing()
        link.publish("c", 0, 1, 64)
        assert link.unsent == 1
        link.resume_writing()
        assert link.unsent == 0
        first = link.transport.said()[-1]
        link.back()  # the connection came back, and the first had no answer: the same key
        assert link.transport.said()[-1] == first
        link.data_received(say(id="p1", error={"code": "unavailable"}))
        assert list(link.pending) == [1]
        link.data_received(say(id="p1", ok=True, epoch="e", offset=5))
        assert crew.heads.last == {"c": {"e": 5}}
        link.publish("c", 0, 2, 64)
        link.data_received(say(id="p2", error={"code": "too-large"}))
        assert crew.heads.refused == {"unavailable": 1, "too-large": 1}
        assert not link.pending
        crew.version = 1
        link.publish("c", 0, 3, 64)
        link.back()  # without keys a second time could be a duplicate
        assert crew.heads.refused["unanswered"] == 1

    with_crew([PUBLISHER], then)


def test_mqtt_greets_subscribes_publishes_asks_and_pings_as_the_standard_says():
    mqtt = DIALECTS["mqtt"]()
    greeting = mqtt.greeting(7)
    assert greeting[:2] == bytes((0x10, 24))
    assert b"MQTT\x04\x02" in greeting
    assert mqtt.subscribe(0, "c", None, "all", 1) == b"\x82\x06\x00\x02\x00\x01c\x00"
    published = mqtt.publish(1, "c", b"x" * 200, None, 1)
    assert published[:3] == bytes((0x30, 203 & 0x7F | 0x80, 1))
    assert b"inbox/7" in mqtt.request(1, 7, b"x")
    assert mqtt.heartbeat() == b"\xc0\x00"


def test_a_slow_reader_stops_reading_and_reads_again():
    def then(crew, link):
        up(link)
        link.sleep(on=True)
        assert not link.transport.reading
        link.sleep(on=False)
        assert link.transport.reading
        assert link.was_slow

    with_crew([READER], then)
