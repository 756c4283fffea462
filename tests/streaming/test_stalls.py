"""The kernel tells which connection stands still, for any server."""

import contextlib
import os
import socket
import sys

import pytest

from plumbline.evidence import Endpoint
from plumbline.streaming import evidence
from plumbline.streaming.probes import sockets, stalls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inet_diag is Linux's")


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request):
    """A server's connection to a reader with a small window, non-blocking."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listener, socket.socket(family) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            server.setblocking(False)
            yield server, reader


def fill(server):
    with contextlib.suppress(BlockingIOError):
        while server.send(b"x" * 65536):
            pass


def rows():
    return sockets.connections(os.getpid())


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def test_a_reader_that_does_not_read_is_found_with_its_time(pair):
    server, _ = pair
    fill(server)
    first = stalls.stalled_s(os.getpid(), rows())
    assert set(first) == {inode(server)}
    assert stalls.stalled_s(os.getpid(), rows())[inode(server)] >= first[inode(server)] >= 0


def test_the_evidence_of_a_pid_carries_it(pair):
    server, _ = pair
    fill(server)
    queues = evidence.queues_from_pid(Endpoint("any", pid=os.getpid()))
    assert [queue.oldest_s is not None for queue in queues.queues] == [True]


def test_a_connection_with_nothing_to_send_is_not_stalled(pair):
    assert stalls.stalled_s(os.getpid(), rows()) == {}


def test_no_sockets_ask_nothing_of_the_kernel(monkeypatch):
    monkeypatch.setattr("pyroute2.DiagSocket", None)
    assert stalls.stalled_s(os.getpid(), []) == {}


def test_a_process_in_another_network_namespace_is_not_mistaken_for_one_here(pair, tmp_path):
    server, _ = pair
    fill(server)
    for name, namespace in (("7", "net:[1]"), ("thread-self", "net:[2]")):
        (tmp_path / name / "ns").mkdir(parents=True)
        (tmp_path / name / "ns/net").symlink_to(namespace)
    assert stalls.stalled_s(7, rows(), tmp_path) == {}


def test_a_machine_without_netlink_gives_bytes_and_no_time(pair, monkeypatch):
    server, _ = pair
    fill(server)

    def refuse(*_):
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr("pyroute2.DiagSocket", refuse)
    queues = evidence.queues_from_pid(Endpoint("any", pid=os.getpid()))
    assert queues.queues[0].queued_bytes > 0
    assert queues.queues[0].oldest_s is None
