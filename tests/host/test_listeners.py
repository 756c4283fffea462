"""Accept queues are read per listener, so a drop is charged to the listener that dropped."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import listeners, namespaces
from plumbline.host.listeners import ListenQueues, Row, of_machine, of_process, tcp_extensions, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inet_diag is Linux's")


@pytest.fixture
def server():
    """Listens with a backlog of 4 and never accepts."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4)
        yield listening


def flood(address, connections):
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        return stack.pop_all()


def during(action):
    """A pause that acts once instead of waiting."""
    todo = [action]
    return lambda _: todo.pop()() if todo else None


def test_a_full_queue_is_seen_full_and_the_drops_are_its_own(server):
    clients = contextlib.ExitStack()
    mine = server.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as idle, clients:
        ports = {mine, idle.getsockname()[1]}
        queues = watch(
            lambda row: row.port in ports, pause=during(lambda: clients.enter_context(flood(server.getsockname(), 12)))
        )
    full, empty = queues.listeners
    assert (full.port, full.backlog, full.waiting) == (mine, 4, 5)  # Linux lets one more in than the backlog says
    assert full.dropped >= 7
    assert (empty.dropped, empty.waiting) == (0, 0)
    assert queues.overflows >= full.dropped
    assert queues.drops >= queues.overflows


def test_a_drained_queue_keeps_the_most_it_held():
    samples = iter([[row(waiting=0)], [row(waiting=3)], *[[row(waiting=0)]] * listeners.SAMPLES])
    queues = watch(lambda _: True, pause=lambda _: None, snapshot=lambda: next(samples))
    assert (queues.listeners[0].waiting, queues.listeners[0].least_waiting) == (3, 0)


def row(inode=1, *, port=80, waiting=0, backlog=128, drops=0):
    return Row(inode=inode, address="0.0.0.0", port=port, waiting=waiting, backlog=backlog, drops=drops)


histories = st.lists(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 5)),
        min_size=listeners.SAMPLES + 1,
        max_size=listeners.SAMPLES + 1,
    ),
    min_size=1,
    max_size=4,
)


@given(histories)
def test_whatever_happens_no_drop_is_lost_and_no_peak_is_missed(histories):
    totals = [
        [sum(drop for _, drop in history[: moment + 1]) for moment in range(len(history))] for history in histories
    ]
    moments = iter(
        [row(inode, waiting=history[at][0], drops=totals[inode][at]) for inode, history in enumerate(histories)]
        for at in range(listeners.SAMPLES + 1)
    )
    counters = iter([{"ListenOverflows": 5}, {"ListenOverflows": 9, "TCPReqQFullDoCookies": 2}])
    queues = watch(
        lambda _: True, pause=lambda _: None, snapshot=lambda: next(moments), counters=lambda: next(counters)
    )
    assert sum(one.dropped for one in queues.listeners) == sum(total[-1] - total[0] for total in totals)
    assert max(one.waiting for one in queues.listeners) == max(
        waiting for history in histories for waiting, _ in history
    )
    assert [one.dropped for one in queues.listeners] == sorted((one.dropped for one in queues.listeners), reverse=True)
    assert (queues.overflows, queues.syn_queue_full) == (4, 2)


def test_a_listener_that_closes_meanwhile_keeps_its_drops():
    samples = iter([[row(drops=2)], [row(drops=5)], *[[]] * listeners.SAMPLES])
    queues = watch(lambda _: True, pause=lambda _: None, snapshot=lambda: next(samples))
    assert queues.listeners[0].dropped == 3


def test_an_ipv6_listener_is_seen_as_well():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert port in {one.port for one in listeners.listening()}


def test_the_effective_backlog_is_cut_down_to_somaxconn():
    somaxconn = listeners._sysctl("core/somaxconn")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(somaxconn * 4)
        port = server.getsockname()[1]
        assert {one.backlog for one in listeners.listening() if one.port == port} == {somaxconn}


def test_the_counters_of_the_tcp_extensions_are_read_by_name():
    text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 549 551\nIpExt: InNoRoutes\nIpExt: 0\n"
    assert tcp_extensions(text) == {"SyncookiesSent": 0, "ListenOverflows": 549, "ListenDrops": 551}
    assert tcp_extensions("") == {}
    assert "ListenOverflows" in tcp_extensions()


def test_only_the_listeners_of_the_process_count(server):
    queues = of_process(Endpoint("me", pid=os.getpid()))
    assert server.getsockname()[1] in {one.port for one in queues.listeners}
    assert len(queues.listeners) <= len(listeners.listening())


def test_a_process_that_does_not_listen_is_said_so():
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as child:
        with pytest.raises(UnavailableError, match="listens on no TCP port") as caught:
            of_process(Endpoint("cat", pid=child.pid))
        child.communicate()
    assert caught.value.reason == "not_configured"


def test_without_a_pid_the_port_of_a_local_url_is_watched(server):
    port = server.getsockname()[1]
    queues = of_machine(Endpoint("url", url=f"ws://127.0.0.1:{port}/feed"))
    assert {one.port for one in queues.listeners} == {port}


def test_without_url_and_pid_all_listeners_are_watched(server):
    assert server.getsockname()[1] in {one.port for one in of_machine(Endpoint("host")).listeners}


@pytest.mark.parametrize(
    ("endpoint", "reason", "says"),
    [
        (Endpoint("far", url="wss://192.0.2.1/feed"), "not_configured", "another machine"),
        (Endpoint("far6", url="ws://[2001:db8::1]:80"), "not_configured", "another machine"),
        (Endpoint("nobody", url="ws://nobody.invalid"), "unreachable", "cannot be resolved"),
        (Endpoint("closed", url="http://127.0.0.1:1"), "unreachable", "nothing on this machine listens on port 1"),
        (Endpoint("pid only", pid=1), "not_configured", "other listeners say nothing of it"),
    ],
)
def test_a_target_whose_queue_is_not_here_is_never_judged_by_another_queue(endpoint, reason, says):
    with pytest.raises(UnavailableError, match=says) as caught:
        of_machine(endpoint)
    assert caught.value.reason == reason


def test_an_address_of_this_machine_is_ours():
    assert listeners._is_ours("127.0.0.9")
    assert listeners._is_ours("0.0.0.0")
    assert not listeners._is_ours("192.0.2.1")


def test_a_pid_is_asked_for_where_none_is_named():
    with pytest.raises(UnavailableError, match="pid:1234"):
        of_process(Endpoint("nothing"))


def test_another_platform_is_unsupported_never_ok(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    for read in (of_machine, of_process):
        with pytest.raises(UnavailableError) as caught:
            read(Endpoint("mac", pid=1, url="ws://127.0.0.1:1"))
        assert caught.value.reason == "unsupported_platform"


def test_a_dead_process_has_no_sockets():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    with pytest.raises(UnavailableError) as caught:
        namespaces.socket_inodes(child.pid)
    assert caught.value.reason == "unreachable"
    with pytest.raises(UnavailableError, match="cannot be told"):
        namespaces.inside(child.pid, list)


def test_a_process_of_another_user_keeps_its_sockets_to_itself(monkeypatch):
    def refuse(_):
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UnavailableError) as caught:
        namespaces.socket_inodes(os.getpid())
    assert caught.value.reason == "permission"


@pytest.fixture
def elsewhere():
    """A listener on port 8080 with a backlog of 7 in a network namespace of its own."""
    code = "import socket; s=socket.socket(); s.bind(('0.0.0.0', 8080)); s.listen(7); print(flush=True); input()"
    way = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    with subprocess.Popen([*way, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if not child.stdout.readline():
            pytest.skip("this machine lets us make no network namespace")
        yield child.pid
        child.communicate(b"\n")


def test_a_container_is_watched_in_its_own_namespace_and_we_stay_in_ours(elsewhere, server):
    ours = Path("/proc/self/ns/net").readlink()
    if os.geteuid() == 0:
        queues = of_process(Endpoint("container", pid=elsewhere))
        assert [(one.port, one.backlog) for one in queues.listeners] == [(8080, 7)]
    else:  # entering needs CAP_SYS_ADMIN
        with pytest.raises(UnavailableError, match="run as root"):
            of_process(Endpoint("container", pid=elsewhere))
    assert Path("/proc/self/ns/net").readlink() == ours
    assert server.getsockname()[1] in {one.port for one in listeners.listening()}


def test_a_namespace_that_we_may_not_enter_is_a_matter_of_permission(elsewhere, monkeypatch):
    from pyroute2 import netns

    def refuse(_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(netns, "setns", refuse)
    with pytest.raises(UnavailableError, match="run as root") as caught:
        namespaces.inside(elsewhere, list)
    assert caught.value.reason == "permission"


def test_the_sources_name_what_they_read():
    of_pid, of_host = ListenQueues.sources
    assert (of_pid.needs, of_host.needs) == ({"pid"}, set())
    assert "/proc/7/fd" in of_pid.reads.format(pid=7)
    assert all(source.window_s == listeners.WINDOW_S for source in ListenQueues.sources)
