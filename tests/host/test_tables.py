"""The two tables are read from what the kernel writes; that TIME_WAIT overflows without refusing anybody is real."""

import os
import shutil
import subprocess
import sys

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import tables
from plumbline.host.tables import ConnectionTables, of_machine, of_process, watch
from plumbline.host.tcp import LISTEN, TIME_WAIT, TcpSocket

linux = pytest.mark.skipif(sys.platform != "linux", reason="these tables are Linux's")
COLUMNS = "entries found new invalid insert insert_failed drop early_drop"


def tree(folder, *, overflows=0, drops=(0, 0), tracked=None, limit=None):
    """Write a /proc as a kernel with two processors does; without `tracked`, one that has no conntrack."""
    for name in ("thread-self/net/stat", "sys/net/ipv4", "sys/net/netfilter"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    netstat = f"TcpExt: TW TCPTimeWaitOverflow\nTcpExt: 7 {overflows}\n"
    (folder / "thread-self/net/netstat").write_text(netstat)
    (folder / "sys/net/ipv4/tcp_max_tw_buckets").write_text("1000\n")
    if tracked is not None:
        rows = [f"00000010 0 0 0 0 0 {drop:08x} {early:08x}" for drop, early in ((drops[0], 1), (drops[1], 2))]
        (folder / "thread-self/net/stat/nf_conntrack").write_text("\n".join([COLUMNS, *rows]) + "\n")
        (folder / "sys/net/netfilter/nf_conntrack_count").write_text(f"{tracked}\n")
        (folder / "sys/net/netfilter/nf_conntrack_max").write_text(f"{limit}\n")


def closed(port):
    return TcpSocket(TIME_WAIT, "10.1.4.9", port, "203.0.113.7", 50000, 0, 0)


def test_what_conntrack_dropped_in_the_window_is_summed_over_processors(tmp_path):
    tree(tmp_path, drops=(10, 5), tracked=1000, limit=1000)
    then = lambda _: tree(tmp_path, drops=(12, 21), tracked=1000, limit=1000)  # noqa: E731 - the time that passes
    seen = watch(proc=tmp_path, listed=list, pause=then)
    assert (seen.tracked, seen.tracked_limit, seen.dropped, seen.evicted) == (1000, 1000, 18, 0)


def test_a_kernel_without_conntrack_tracks_nothing(tmp_path):
    tree(tmp_path, overflows=3)
    seen = watch(proc=tmp_path, listed=list, pause=lambda _: tree(tmp_path, overflows=5))
    assert (seen.tracked, seen.tracked_limit, seen.dropped, seen.time_wait_overflows) == (None, None, 0, 2)


def test_who_closed_first_is_told_by_the_listeners_port(tmp_path):
    tree(tmp_path)
    rows = [TcpSocket(LISTEN, "0.0.0.0", 8080, "0.0.0.0", 0, 1, 0), closed(8080), closed(8080), closed(40000)]
    seen = watch(proc=tmp_path, listed=lambda: rows, pause=lambda _: None)
    assert (seen.time_wait, seen.closed_by_us, seen.time_wait_limit) == (3, 2, 1000)


SHORT = """
import socket, sys
from plumbline.host import tables
def server_closes_first(_):
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(50):
            with socket.create_connection(server.getsockname()) as client:
                server.accept()[0].close()
                assert client.recv(1) == b""
        global seen
        seen = tables.sockets((tables.TIME_WAIT, tables.LISTEN))
found = tables.watch(pause=server_closes_first, listed=lambda: seen)
print(found.time_wait, found.closed_by_us, found.time_wait_limit, found.time_wait_overflows)
"""


@linux
@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare")
def test_a_server_that_closes_first_collects_them_and_beyond_the_limit_nobody_is_refused():
    """In a namespace of its own with a limit of 20: fifty connections work, thirty leave nothing behind."""
    limit = 'ip link set lo up && echo 20 > /proc/sys/net/ipv4/tcp_max_tw_buckets && exec "$0" -c "$1"'
    alone = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-n"]
    done = subprocess.run(
        [*alone, "sh", "-c", limit, sys.executable, SHORT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["20", "20", "20", "30"]


@linux
def test_a_process_and_this_machine_are_watched(monkeypatch):
    monkeypatch.setattr(tables, "WINDOW_S", 0.01)
    assert isinstance(of_machine(Endpoint("x")), ConnectionTables)
    assert of_process(Endpoint("x", pid=os.getpid())).time_wait_limit > 0
    with pytest.raises(UnavailableError, match="names no pid"):
        of_process(Endpoint("x"))


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as refused:
        of_machine(Endpoint("x"))
    assert refused.value.reason == "unsupported_platform"
