"""A crowd at the door: the kernel's queue is emptied first, and those who wait have their turn in slices."""

import asyncio
import socket
from urllib.parse import urlsplit

from plumbline.streaming.server.acceptor import BETWEEN, SLICE, Acceptor, listen_tcp

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def refuse(error):
    raise AssertionError(error)


async def crowd(count, *, batch, most=1024, between=0):
    """Let so many connect at once, and return (how many still waited, turn) at each handing over."""
    listener = listen_tcp("127.0.0.1", 0, 4096)
    loop, seen, done, turn = asyncio.get_running_loop(), [], asyncio.Event(), 0
    clients = [socket.create_connection(listener.getsockname()) for _ in range(count)]

    def tick():
        nonlocal turn
        turn += 1
        if not done.is_set():
            loop.call_soon(tick)

    def take(accepted, _peer):
        accepted.close()
        seen.append((len(acceptor.waiting), turn))
        if len(seen) == count:
            done.set()

    acceptor = Acceptor(listener, take, failed=refuse, batch=batch, most=most)
    for _ in range(between):
        acceptor.between()
    waited = len(acceptor.waiting)
    tick()
    async with asyncio.timeout(20):
        await done.wait()
    acceptor.close()
    for client in clients:
        client.close()
    return seen, waited


def test_all_are_accepted_before_the_second_slice_is_handed_over():
    seen, _ = asyncio.run(crowd(5 * SLICE, batch=5 * SLICE))
    assert seen[0][0] == 5 * SLICE - 1, "the first saw all others accepted"
    turns = [turn for _, turn in seen]
    assert max(turns.count(turn) for turn in set(turns)) <= SLICE, "others have their turn in between"


def test_no_more_wait_than_may_and_all_have_their_turn():
    seen, _ = asyncio.run(crowd(50, batch=64, most=8))
    assert len(seen) == 50
    assert max(waiting for waiting, _ in seen) < 8


def test_the_kernels_queue_is_looked_at_while_thousands_are_seen_off():
    _, waited = asyncio.run(crowd(20, batch=8, between=BETWEEN - 1))
    assert waited == 0
    _, waited = asyncio.run(crowd(20, batch=8, between=BETWEEN))
    assert waited == 8


def test_those_who_wait_are_let_go_when_it_closes():
    async def closed():
        listener = listen_tcp("127.0.0.1", 0, 16)
        client = socket.create_connection(listener.getsockname(), 20)
        acceptor = Acceptor(listener, lambda *_: None, failed=refuse)
        for _ in range(BETWEEN):
            acceptor.between()
        assert len(acceptor.waiting) == 1
        acceptor.close()
        with client:
            return client.recv(1)

    assert asyncio.run(closed()) == b""


def test_a_crowd_larger_than_max_arrivals_is_answered_in_full(start):
    gateway = start(settings={"max_arrivals": 4, "accept_batch": 64})
    where = urlsplit(gateway.url)

    async def all_at_once():  # in the gateway's own turn: it cannot accept meanwhile
        return [socket.create_connection((where.hostname, where.port), 20) for _ in range(40)]

    sockets = gateway.do(all_at_once())
    for sock in sockets:
        sock.sendall(REQUEST)
    for sock in sockets:
        with sock:
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
    gateway.set(max_arrivals=9)
    assert gateway.gateway._running.acceptor.most == 9
