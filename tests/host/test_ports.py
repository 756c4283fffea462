"""Source ports are counted per source and destination, as the kernel shares them out."""

import contextlib
import os
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import tcp
from plumbline.host.ports import EphemeralPorts, counted, of_machine, of_process, parsed_ports
from plumbline.host.tcp import ESTABLISHED, LISTEN, SYN_SENT, TIME_WAIT, TcpSocket

linux = pytest.mark.skipif(sys.platform != "linux", reason="inet_diag is Linux's")
SPAN = range(40000, 40010)


def row(port, *, state=ESTABLISHED, local="10.0.0.2", remote="10.1.4.9", remote_port=8080):
    return TcpSocket(state, local, port, remote, remote_port, inode=1, send_queue=0)


def test_a_pair_of_source_and_destination_is_counted_by_state():
    found = counted([row(40000), row(40001, state=TIME_WAIT), row(40002, state=SYN_SENT)], SPAN, frozenset())
    (use,) = found.destinations
    assert (use.established, use.time_wait, use.other, use.in_range) == (1, 1, 1, 3)
    assert (use.lowest, use.highest, use.distinct) == (40000, 40002, 3)
    assert (use.source, use.destination) == ("10.0.0.2", "10.1.4.9:8080")


def test_connections_that_came_in_take_no_source_port():
    server = [row(8080, state=LISTEN, remote="0.0.0.0", remote_port=0), row(8080, remote_port=51000)]
    assert counted(server, SPAN, frozenset()).destinations == ()


def test_two_destinations_share_a_port_unless_it_was_bound_too_early():
    shared = counted([row(40000), row(40000, remote_port=8081), row(40001)], SPAN, frozenset())
    assert (shared.fullest_source, shared.fullest_source_shared) == (2, 1)
    early = counted([row(40000), row(40002, remote_port=8081)], SPAN, frozenset())
    assert (early.fullest_source, early.fullest_source_shared) == (2, 0)


def test_reserved_ports_are_no_room_and_ports_outside_of_the_range_fill_none():
    found = counted([row(40001), row(50000)], SPAN, frozenset({40001, 9}))
    assert (found.usable, found.reserved, found.destinations[0].in_range, found.destinations[0].distinct) == (
        9,
        1,
        0,
        2,
    )


def test_the_list_of_reserved_ports_is_read_as_the_kernel_writes_it():
    assert parsed_ports("8080,9000-9002\n") == {8080, 9000, 9001, 9002}
    assert parsed_ports("\n") == frozenset()


@given(st.lists(st.tuples(st.integers(39995, 40015), st.integers(1, 3), st.sampled_from([1, 6, 10])), max_size=40))
def test_no_pair_takes_more_of_the_range_than_there_is(sockets):
    rows = [row(port, remote_port=destination, state=state) for port, destination, state in sockets]
    found = counted(rows, SPAN, frozenset({40003}))
    assert all(one.in_range <= found.usable and one.in_range <= one.distinct for one in found.destinations)
    assert found.fullest_source_shared <= found.fullest_source <= found.usable
    assert [one.in_range for one in found.destinations] == sorted(
        (one.in_range for one in found.destinations), reverse=True
    )


@linux
def test_real_connections_of_this_machine_are_found():
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(server.getsockname()))
        port = server.getsockname()[1]
        rows = [one for one in tcp.sockets() if port in (one.local_port, one.remote_port)]
        found = counted(rows, range(1, 65536), frozenset())
    (use,) = found.destinations
    assert (use.established, use.destination) == (5, f"127.0.0.1:{port}")


@linux
def test_a_process_is_judged_in_its_own_namespace_and_nobody_is_not_judged():
    here = of_process(Endpoint("x", pid=os.getpid()))
    assert isinstance(here, EphemeralPorts)
    assert (here.first_port, here.usable) == (of_machine(Endpoint("x")).first_port, of_machine(Endpoint("x")).usable)
    with pytest.raises(UnavailableError, match="names no pid"):
        of_process(Endpoint("x"))


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    for read in (of_machine, of_process):
        with pytest.raises(UnavailableError) as refused:
            read(Endpoint("x", pid=1))
        assert refused.value.reason == "unsupported_platform"
