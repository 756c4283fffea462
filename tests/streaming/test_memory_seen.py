"""Memory that grows: the straight line, a real process, and what a gateway says it holds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.server import serve

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.evidence_memory import compression_from_url, growth_from_pid
from plumbline.streaming.probes.memory import line, private_bytes

MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@given(st.floats(-1e6, 1e6), st.integers(0, 1 << 40), st.integers(3, 40))
def test_a_straight_line_is_found_as_it_is(slope, start, count):
    found = line([(at / 10, round(start + slope * at / 10)) for at in range(count)])
    assert found.slope == pytest.approx(slope, abs=10)


def test_a_single_step_is_not_steady_and_its_slope_is_uncertain():
    step = line([(at / 10, 10 * MIB if at < 15 else 20 * MIB) for at in range(20)])
    ramp = line([(at / 10, 10 * MIB + at * MIB) for at in range(20)])
    assert (step.steady, ramp.steady) == (False, True)
    assert step.error / step.slope > ramp.error / ramp.slope
    assert not line([(at / 10, MIB) for at in range(20)]).steady


@linux
def test_a_process_that_takes_memory_steadily_is_seen_to():
    code = "import time\nkept = []\nprint(1, flush=True)\nwhile True: kept.append(b'x' * 1000000); time.sleep(0.02)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        seen = growth_from_pid(Endpoint("hungry", pid=child.pid, patience_s=2.0))
        child.kill()
    assert seen.growth_bytes > 4 * MIB
    assert seen.steady
    assert seen.slope_bytes_s > seen.error_bytes_s
    assert seen.connections == 0
    assert seen.history_bytes is None


@linux
def test_a_gateway_says_what_it_holds(start, tmp_path):
    start(admin=tmp_path / "a.sock", settings={"history_total_bytes": 1 << 20})
    seen = growth_from_pid(Endpoint("gw", pid=os.getpid(), admin=str(tmp_path / "a.sock"), patience_s=0.1))
    assert (seen.history_limit_bytes, seen.queued_growth_bytes, seen.connections_growth) == (1 << 20, 0, 0)
    assert (seen.private_bytes > 0, seen.history_bytes) == (True, 0)


@linux
def test_who_cannot_be_watched_says_why(tmp_path):
    with pytest.raises(UnavailableError, match="there is no process"):
        growth_from_pid(Endpoint("gone", pid=2**22 - 3))
    with pytest.raises(UnavailableError, match="no admin socket"):
        growth_from_pid(Endpoint("starting", pid=os.getpid(), admin=str(tmp_path / "none.sock")))
    (tmp_path / "7").mkdir()
    (tmp_path / "7/status").write_text("Name:\tx\nRssAnon:\t    12 kB\nVmSwap:\t    3 kB\nRssFile:\t 9 kB\n")
    assert private_bytes(7, tmp_path) == 15 << 10


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="on Linux only"):
        growth_from_pid(Endpoint("mac", pid=1))


@pytest.mark.parametrize(("offered", "agreed"), [("deflate", True), (None, False)])
def test_whether_a_server_compresses_is_asked_by_one_handshake(offered, agreed):
    with serve(lambda link: link.recv(), "127.0.0.1", 0, compression=offered, close_timeout=0.1) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        found = compression_from_url(Endpoint("toy", url=f"ws://127.0.0.1:{running.socket.getsockname()[1]}"))
        running.shutdown()
        thread.join()
    assert (found.agreed, found.keeps_context) == (agreed, agreed)


def test_a_gateway_does_not_compress(start):
    assert not compression_from_url(Endpoint("gw", url=start().url)).agreed
    with pytest.raises(UnavailableError, match="nothing answers"):
        compression_from_url(Endpoint("gone", url="ws://127.0.0.1:1/"))
    with pytest.raises(UnavailableError, match="names no url"):
        compression_from_url(Endpoint("none"))
