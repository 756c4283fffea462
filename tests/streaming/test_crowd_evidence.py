"""Arrivals and fan-out as evidence: from the kernel, and from a gateway that runs."""

import asyncio
import os
import socket
import sys
import threading

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence_arrivals, evidence_fanout
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.probes import opens, work
from plumbline.streaming.server.gateway import Gateway

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's counters are read on Linux only")
SNMP = "Ip: Forwarding\nIp: 1\nTcp: PassiveOpens AttemptFails EstabResets\nTcp: {} {} {}\n"


def test_arrivals_are_counted_per_bin_from_the_kernels_counters(tmp_path):
    (tmp_path / "7" / "net").mkdir(parents=True)
    table = tmp_path / "7" / "net" / "snmp"
    table.write_text(SNMP.format(100, 5, 1))
    at = [0.0]
    total = [100]

    def pause(seconds):
        at[0] += seconds
        total[0] += 3
        table.write_text(SNMP.format(total[0], 6, 3))

    seen = opens.watch(7, tmp_path, pause=pause, clock=lambda: at[0])
    assert seen.counts == (3,) * opens.BINS
    assert (seen.resets, seen.failed) == (2, 1)
    assert seen.bin_s == pytest.approx(opens.BIN_S)


@linux
def test_connections_to_any_server_are_seen_with_their_addresses(monkeypatch):
    monkeypatch.setattr(opens, "BINS", 2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = []

        def knock():
            clients.extend(socket.create_connection(listener.getsockname()) for _ in range(5))

        knocking = threading.Timer(0.05, knock)
        knocking.start()
        found = evidence_arrivals.arrivals_from_pid(Endpoint("any", pid=os.getpid()))
        knocking.join()
        assert found.arrivals >= 5
        assert found.refused is None
        for one in clients:
            one.close()


@linux
def test_a_gateway_is_asked_what_it_refused_and_what_it_delivered(tmp_path, monkeypatch):
    monkeypatch.setattr(opens, "BINS", 2)
    monkeypatch.setattr(evidence_fanout, "WINDOW_S", 0.05)

    async def play():
        admin = str(tmp_path / "a.sock")
        async with Gateway(Settings(), admin=admin) as gateway:
            here = Endpoint("lab", admin=admin, pid=os.getpid())
            arrivals = await asyncio.to_thread(evidence_arrivals.arrivals_from_both, here)
            fanout = asyncio.create_task(asyncio.to_thread(evidence_fanout.fanout_from_both, here))
            await gateway.publish("a", 1)
            return arrivals, await fanout, await asyncio.to_thread(evidence_fanout.fanout_from_admin, here)

    arrivals, fanout, blind = asyncio.run(play())
    assert (arrivals.refused, arrivals.connections) == (0, 0)
    assert fanout.cpu_s > 0
    assert 0 < fanout.cores <= 1
    assert 0 < fanout.floor_s < 0.01
    assert fanout.processes == 1
    assert (blind.cpu_s, blind.cost_s, blind.busy, blind.last_reader_s) == (None, None, None, None)


@linux
@pytest.mark.parametrize("read", [evidence_arrivals.arrivals_from_pid, evidence_fanout.fanout_from_both])
def test_a_process_that_is_not_there_is_said_not_to_be(read):
    with pytest.raises(UnavailableError, match="there is no process"):
        read(Endpoint("any", pid=2**22 + 1))


@pytest.mark.parametrize("read", [evidence_arrivals.arrivals_from_pid, evidence_fanout.fanout_from_both])
def test_elsewhere_it_is_not_supported(read, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="on Linux only") as failed:
        read(Endpoint("any", pid=1))
    assert failed.value.reason == "unsupported_platform"


def test_an_answer_of_another_form_is_said_to_be_one(monkeypatch):
    monkeypatch.setattr(evidence_fanout, "asked", lambda *_: {"published": 1})
    with pytest.raises(UnavailableError, match="in a form this version does not know"):
        evidence_fanout.fanout_from_admin(Endpoint("lab", admin="x"), lambda _: None)
    monkeypatch.setattr(evidence_arrivals, "asked", lambda *_: {"rejected": 1})
    monkeypatch.setattr(evidence_arrivals, "_seen", lambda _: {"counts": (), "bin_s": 0.1})
    with pytest.raises(UnavailableError, match="in a form this version does not know"):
        evidence_arrivals.arrivals_from_both(Endpoint("lab", admin="x", pid=1))


def test_processor_time_is_added_up_over_threads(tmp_path):
    for thread, text in (("7", "1000000000 500000000 3"), ("8", "2000000000 0 1")):
        (tmp_path / "7" / "task" / thread).mkdir(parents=True)
        (tmp_path / "7" / "task" / thread / "schedstat").write_text(text)
    assert work.work([7, 9], tmp_path) == work.Work(3.0, 0.5)


@pytest.mark.parametrize(
    ("line", "folder", "files", "cores"),
    [
        ("0::/a/b\n", "a", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b\n", "a", {"cpu.max": "max 100000"}, None),
        ("4:cpu,cpuacct:/a\n", "cpu/a", {"cpu.cfs_quota_us": "2000", "cpu.cfs_period_us": "100000"}, 0.02),
        ("4:cpu,cpuacct:/a\n", "cpu/a", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/a\n", "cpu/a", {"cpu.cfs_quota_us": "2000", "cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_the_tightest_quota_around_a_process_is_found(tmp_path, line, folder, files, cores):
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(line)
    (tmp_path / "cg" / folder).mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "cg" / folder / name).write_text(text)
    assert work.quota(7, tmp_path / "proc", tmp_path / "cg") == cores
