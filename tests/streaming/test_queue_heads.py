"""What waits behind a large message: in the outbox, over the admin socket, and from the kernel alone."""

from __future__ import annotations

import os
import socket
import sys
import threading

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.core.outbox import Behind, Item, Limits, Outbox
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.evidence_heads import heads_from_admin, heads_from_pid
from plumbline.streaming.probes.heads import Head, watch

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LIMITS = Limits(1 << 20, 100)


def outbox(*sizes):
    made = Outbox()
    for at, size in enumerate(sizes):
        assert made.offer(Item(b"x" * size, f"c{at % 2}", float(at)), LIMITS, lambda _: Overflow.DISCONNECT)
    return made


def test_an_empty_outbox_holds_nothing_up():
    assert outbox().behind() == Behind(0, 0, None, 0)


def test_only_what_stands_behind_a_much_larger_one_is_held_up():
    assert outbox(100, 16000, 100, 2000, 50).behind() == Behind(16000, 2, 2.0, 2)


def test_a_half_written_frame_counts_too():
    made = outbox(16000, 100)
    made.in_flight = len(made.written(10))
    assert made.behind() == Behind(15990, 1, 1.0, 1)


def row(**values):
    told = {"connection": "c1", "queued_bytes": 5, "largest_bytes": 4, "behind_messages": 1, "behind_s": None}
    return told | {"channels": 1, "in_flight_bytes": 3, "kernel_unsent_bytes": 0} | values


def test_the_worst_of_all_looks_counts_and_a_change_is_a_move():
    looks = [[row(behind_s=0.2)], [row(behind_s=0.5, in_flight_bytes=2)], [row()]]
    clock = iter([0.0, 0.0, 1.0, 2.0])
    found = watch(lambda: looks.pop(0), 2.0, clock=lambda: next(clock), pause=lambda _: None)
    assert (found["c1"].behind_s, found["c1"].moving) == (0.5, True)


def test_a_queue_that_stands_still_does_not_move():
    still = Head()
    still.add(row(), 0.0)
    still.add(row(), 1.0)
    assert not still.moving
    assert still.drain_s is None


def test_the_kernels_part_lasts_as_long_as_it_takes_to_leave():
    head = Head()
    for now, unsent in ((0.0, 1_000_000), (0.5, 500_000), (1.0, 0), (1.5, 0)):
        head.add(row(kernel_unsent_bytes=unsent), now)
    assert head.drain_s == pytest.approx(1.0)


def test_a_gateway_says_what_waits(start, client, raw, tmp_path, until):
    settings = {"overflow": "drop-oldest", "heartbeat_interval_s": 0, "queue_max_bytes": 8 << 20}
    gateway = start(admin=tmp_path / "a.sock", settings=settings)
    endpoint = Endpoint("gw", admin=str(tmp_path / "a.sock"))
    slow = raw(gateway, receive_buffer=4096)
    slow.say(id=1, subscribe="a")
    assert slow.read_json()["ok"]
    for _ in range(40):
        gateway.publish("a", "x" * 200_000)
    gateway.publish("a", "y")
    found = until(lambda: heads_from_admin(endpoint).heads, "a queue")
    assert found[0].behind_messages >= 1
    assert found[0].largest_bytes > 190_000


@linux
def test_from_a_pid_the_kernel_says_how_long_a_queue_lasts():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        sender, _ = listener.accept()
        with reader, sender:
            sender.setblocking(False)
            sent = sender.send(b"x" * (8 << 20))
            stop = threading.Event()

            def read() -> None:
                reader.settimeout(0.2)
                while not stop.wait(0.05):
                    reader.recv(20_000)

            thread = threading.Thread(target=read)
            thread.start()
            found = heads_from_pid(Endpoint("me", pid=os.getpid()))
            stop.set()
            thread.join()
    assert sent > 0
    assert found.connections >= 1
    assert found.heads[0].queued_bytes > 0
    assert found.heads[0].moving == (found.heads[0].drain_s is not None)


def test_who_cannot_be_asked_says_why(monkeypatch):
    with pytest.raises(UnavailableError, match="no admin socket"):
        heads_from_admin(Endpoint("none"))
    if sys.platform == "linux":
        with pytest.raises(UnavailableError, match="there is no process"):
            heads_from_pid(Endpoint("gone", pid=2**22 - 3))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="on Linux only"):
        heads_from_pid(Endpoint("mac", pid=1))
