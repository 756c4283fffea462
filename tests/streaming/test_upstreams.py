"""Connections of a process to those it asks, counted from /proc while they come in bursts."""

import os
import socket
import subprocess
import sys

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence_cluster
from plumbline.streaming.evidence_cluster import bursts_from_pid
from plumbline.streaming.probes.upstreams import Upstream, _address, upstreams

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Ticks:
    """A clock that goes only when somebody sleeps."""

    def __init__(self, at_each=lambda: None):
        self.now = 0.0
        self.at_each = at_each

    def sleep(self, seconds):
        self.now += seconds
        self.at_each()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server


def connected(listener):
    return socket.create_connection(listener.getsockname())


def looking(ticks, window_s=1.0):
    return upstreams(os.getpid(), window_s, clock=lambda: ticks.now, sleep=ticks.sleep)


def test_a_burst_is_the_most_and_not_the_usual():
    """The upstream is another process: a port that this one listens on counts as coming in."""
    code = (
        "import socket,sys\ns=socket.create_server(('127.0.0.1',0),backlog=64)\n"
        "print(s.getsockname()[1],flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        address = ("127.0.0.1", int(other.stdout.readline()))
        steady = socket.create_connection(address)
        herd, looks = [], iter(range(1000))

        def at_each():
            if next(looks) == 3:
                herd.extend(socket.create_connection(address) for _ in range(7))
            else:
                while herd:
                    herd.pop().close()

        found = {one.address: one for one in looking(Ticks(at_each))}
        steady.close()
        other.stdin.close()
    name = f"127.0.0.1:{address[1]}"
    assert found[name] == Upstream(name, 8, 1)


def test_who_comes_in_is_no_upstream(listener):
    port = listener.getsockname()[1]
    with connected(listener) as client:
        accepted, _ = listener.accept()
        with accepted:
            mine = client.getsockname()[1]
            found = {one.address for one in looking(Ticks())}
    assert f"127.0.0.1:{mine}" not in found
    assert f"127.0.0.1:{port}" in found


@pytest.mark.parametrize(
    ("kernel", "people"),
    [
        ("0100007F:1F90", "127.0.0.1:8080"),
        ("0000000000000000FFFF00000100007F:1538", "127.0.0.1:5432"),
        ("B80D0120000000000000000001000000:0050", "[2001:db8::1]:80"),
    ],
)
def test_the_kernels_addresses_are_read(kernel, people):
    assert _address(kernel) == people


def test_it_says_why_it_cannot_look(monkeypatch):
    monkeypatch.setattr(evidence_cluster, "BURSTS_S", 0.0)
    with pytest.raises(UnavailableError, match="names no pid"):
        bursts_from_pid(Endpoint("t"))
    with pytest.raises(UnavailableError, match="there is no process"):
        bursts_from_pid(Endpoint("t", pid=2**22 + 7))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alone:
        with pytest.raises(UnavailableError, match="it has no upstream"):
            bursts_from_pid(Endpoint("t", pid=alone.pid))
        alone.communicate()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="on Linux only"):
        bursts_from_pid(Endpoint("t", pid=1))


def test_evidence_from_a_pid_names_the_upstreams(listener, monkeypatch):
    monkeypatch.setattr(evidence_cluster, "BURSTS_S", 0.0)
    with connected(listener):
        found = bursts_from_pid(Endpoint("t", pid=os.getpid()))
    assert found.protection is None
    assert f"127.0.0.1:{listener.getsockname()[1]}" in {one.address for one in found.upstreams}
