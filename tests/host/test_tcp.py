"""The kernel's own list of TCP sockets says what /proc says, and more."""

import contextlib
import socket
import struct
import sys

import pytest

from plumbline.evidence import UnavailableError
from plumbline.host import tcp
from plumbline.host.tcp import ESTABLISHED, LISTEN, TIME_WAIT, parsed, sockets

linux = pytest.mark.skipif(sys.platform != "linux", reason="inet_diag is Linux's")


def pair(family=socket.AF_INET, host="127.0.0.1"):
    stack = contextlib.ExitStack()
    server = stack.enter_context(socket.create_server((host, 0), family=family))
    client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
    accepted = stack.enter_context(server.accept()[0])
    return stack, server, client, accepted


@linux
def test_both_ends_of_a_connection_and_its_listener_are_listed():
    stack, server, client, _ = pair()
    with stack:
        port = server.getsockname()[1]
        mine = {one.state: one for one in sockets() if one.local_port == port}
        (far,) = [one for one in sockets((ESTABLISHED,)) if one.remote_port == port]
        assert mine.keys() == {LISTEN, ESTABLISHED}
        assert mine[ESTABLISHED].remote_port == far.local_port == client.getsockname()[1]
        assert mine[ESTABLISHED].inode > 0
        assert far.info is None


@linux
def test_what_the_peer_has_not_acknowledged_is_told_where_it_is_asked_for():
    stack, server, client, _ = pair()
    with stack:
        client.send(b"hello")
        port = server.getsockname()[1]
        (one,) = [one for one in sockets((ESTABLISHED,), info=True) if one.local_port == port]
        assert one.info.unacked == 0
        assert one.info.since_heard_s < 60


@linux
@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_and_mapped_addresses_read_as_people_write_them():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            found = {one.local for one in sockets((ESTABLISHED,)) if one.local_port == port}
    assert found == {"127.0.0.1"}


@linux
def test_a_closed_connection_waits_on_the_side_that_closed_first():
    stack, server, client, accepted = pair()
    with stack:
        port = server.getsockname()[1]
        accepted.close()
        assert client.recv(1) == b""
        client.close()
        (one,) = [one for one in sockets((TIME_WAIT,)) if port in (one.local_port, one.remote_port)]
        assert (one.local_port, one.inode) == (port, 0)


def test_a_short_attribute_is_passed_over():
    message = struct.pack("=BBBB", socket.AF_INET, 1, 1, 3) + bytes(68) + struct.pack("=HH", 0, 2)
    one = parsed(message)
    assert (one.timer, one.retransmits, one.info) == (1, 3, None)


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(tcp.sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="Linux only"):
        sockets()


@linux
def test_a_kernel_that_refuses_is_no_permission(monkeypatch):
    monkeypatch.setattr(tcp, "_SOCK_DIAG_BY_FAMILY", 999)
    with pytest.raises(UnavailableError) as refused:
        sockets()
    assert refused.value.reason == "permission"
