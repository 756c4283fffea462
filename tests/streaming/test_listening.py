"""The listening socket: shared by several gateways, or handed over by whoever started this one."""

import socket

import pytest

from plumbline.streaming.core.address import Address
from plumbline.streaming.server.acceptor import adopt


def test_two_gateways_share_a_port_and_both_get_clients(start, client):
    first = start(reuse_port=True)
    second = start(reuse_port=True, listen=str(first.gateway.address))
    assert second.url == first.url
    for _ in range(64):  # the kernel picks by a hash of the addresses: 2^-63 that one of them gets none
        client(first)
    assert first.stats["connections"] + second.stats["connections"] == 64
    assert first.stats["connections"] > 0
    assert second.stats["connections"] > 0


def test_a_port_is_shared_only_if_both_ask_for_it(start):
    first = start()
    with pytest.raises(OSError, match="in use"):
        start(reuse_port=True, listen=str(first.gateway.address))


def test_a_gateway_serves_a_socket_that_it_inherits(process, tmp_path):
    from websockets.sync.client import connect

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        number = listener.fileno()
        gateway = process("--listen-fd", str(number), pass_fds=(number,))
        assert gateway.url == f"ws://{Address(*listener.getsockname())}/"
        with connect(gateway.url, compression=None, proxy=None):
            assert gateway.ask(get="stats")["connections"] == 1


def test_what_is_no_tcp_socket_is_not_adopted():
    one, other = socket.socketpair()
    with one, other, pytest.raises(OSError, match="no TCP socket"):
        adopt(one.fileno())
