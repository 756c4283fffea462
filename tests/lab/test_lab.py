"""A real lab: real gateway, real front, real clients."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from plumbline.diagnosis.targets import living, resolve
from plumbline.lab import LabError, Topology, Workload, serve_lab
from plumbline.lab.lab import RunningLab
from plumbline.lab.proof import health
from plumbline.lab.proof.versions import versions
from plumbline.lab.questions import measure
from plumbline.lab.running import running

Until = Callable[[Callable[[], object]], None]
linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="namespaces and cgroups without further set-up need root on Linux",
)


@pytest.fixture
def lab() -> Iterator[RunningLab]:
    with running(Topology(workload=Workload(connects_hz=10.0, quiet=1)), purpose="practice") as made:
        yield made


def healthy(lab: RunningLab) -> bool:
    return not health.complaints(lab.service(), connects=True)


def test_the_default_lab_serves_its_workload_and_is_the_target_lab(state: Path, until: Until) -> None:
    with serve_lab() as endpoint:
        (noted,) = living()
        assert noted.purpose == "serve"
        assert resolve("lab") == endpoint
        assert endpoint.pid is not None
        assert Path(str(endpoint.admin)).is_socket()
    assert list(state.iterdir()) == []


def test_a_lab_is_healthy_and_goes_without_a_trace(state: Path, until: Until) -> None:
    with running(Topology(workload=Workload(connects_hz=10.0)), purpose="prove") as lab:
        lab.mark()
        until(lambda: healthy(lab))
        assert resolve("lab").url is None  # a lab under proof is nobody's default
        with pytest.raises(LookupError, match="no HAProxy"):
            _ = lab.front
        with pytest.raises(LookupError, match="no cgroup"):
            _ = lab.cgroup
    assert lab.leftovers() == []
    assert list(state.iterdir()) == []


def test_the_workload_sees_a_restart_and_recovers_from_it(lab: RunningLab, until: Until) -> None:
    until(lambda: healthy(lab))
    before = lab.gateway.pid
    lab.mark(logs=True)
    lab.gateway.restart(heartbeat_interval_s=5.0)
    assert lab.gateway.pid != before
    until(lambda: lab.service(30.0).unexpected_closes == lab.topology.workload.clients)
    until(lambda: lab.service(1.0).unexpected_closes == 0 and healthy(lab))
    assert "listening" in lab.logs()
    assert "heartbeat_interval_s = 5.0" in lab.gateway.config.read_text()
    until(lambda: living()[0].endpoint.pid == lab.gateway.pid)


def test_steps_run_in_the_labs_folder_and_environment(lab: RunningLab) -> None:
    outcome = lab.run('echo "$PWD" "$GATEWAY_PID"; cat "$GATEWAY_PIDFILE"; plumb --version >&2', timeout_s=60)
    assert outcome.code == 0
    assert str(lab.folder) in outcome.output
    assert outcome.output.count(str(lab.gateway.pid)) == 2
    assert "plumb" in outcome.output
    assert lab.run("echo $NO_SUCH_VARIABLE", timeout_s=60).code == 1  # bash -u
    assert lab.run("false | true", timeout_s=60).code == 1  # pipefail


def test_inside_of_a_lab_the_target_lab_is_that_lab(lab: RunningLab) -> None:
    with serve_lab():
        shown = "from plumbline.diagnosis.targets import resolve; print(resolve().admin)"
        assert lab.run(f'python -c "{shown}"', timeout_s=60).output.strip() == str(lab.gateway.admin)


def test_the_versions_name_what_takes_part() -> None:
    subject = SimpleNamespace(fault=SimpleNamespace(topology=Topology(haproxy="text")))
    told = versions(subject)  # type: ignore[arg-type]
    assert {"Python", "plumbline", "websockets"} <= told.keys()
    if shutil.which("haproxy"):
        assert told["HAProxy"][0].isdigit()


def test_restart_gateway_returns_when_the_new_one_answers(lab: RunningLab) -> None:
    before = lab.gateway.pid
    outcome = lab.run("restart-gateway && plumb gateway show stats >/dev/null", timeout_s=60)
    assert outcome.code == 0, outcome.output
    assert f"before {before}" in outcome.output
    assert lab.gateway.pid != before
    assert "is not set" in lab.run("unset GATEWAY_PIDFILE; restart-gateway", timeout_s=60).output


def test_settings_that_the_gateway_refuses_are_a_lab_error(lab: RunningLab) -> None:
    lab.set(listen_backlog=16)
    with pytest.raises(LabError, match="there is no setting 'listen_backlogg'; did you mean 'listen_backlog'"):
        lab.set(listen_backlogg=16)


def test_spawned_processes_are_the_crew_until_they_are_gone(lab: RunningLab, until: Until) -> None:
    lab.spawn("sleeper", "sleep", "600")
    assert {"gateway", "workload", "sleeper"} <= lab.crew()
    assert not lab.gone("sleeper")
    lab.stop("sleeper")
    assert lab.gone("sleeper")
    assert lab.gone("never-there")
    lab.spawn("sleeper", "sleep", "601")  # its name is free again


def test_a_dead_workload_is_an_error_not_a_healthy_service(lab: RunningLab) -> None:
    lab.stop("workload")
    with pytest.raises(LabError, match="the workload does not answer"):
        lab.service()
    with pytest.raises(LabError, match="the workload does not answer"):
        measure(lab.folder / "nothing.sock", 1.0, 0.0)


def test_a_gateway_that_cannot_start_is_told_with_its_own_words() -> None:
    with (
        pytest.raises(LabError, match=r"the gateway does not start: .*no setting 'listen_backlogg'"),
        running(Topology(settings={"listen_backlogg": 1}), purpose="prove"),
    ):
        pass


def test_waiting_in_vain_is_an_error_that_says_for_what(lab: RunningLab) -> None:
    with pytest.raises(LabError, match="waited 0 s until pigs fly, in vain"):
        lab.until(lambda: False, "pigs fly", 0.0)
    with pytest.raises(LabError, match="waited 0 s until pigs fly, in vain"):
        lab.link.wait(lambda: False, "pigs fly", 0.0)


def test_a_paused_reader_fills_its_queue_and_comes_back_when_it_is_closed(lab: RunningLab, until: Until) -> None:
    lab.set(overflow="disconnect", queue_max_bytes=65536)
    lab.client("paused_reader", "--channel", "flood", "--wake", "1")
    lab.client("flood", "--channel", "flood", "--rate", "200", "--bytes", "32768")
    until(lambda: lab.gateway.log.read_text().count("code=4008") >= 2)
    assert "the server closed a stalled connection" in (lab.folder / "paused_reader.log").read_text()


def test_many_clients_are_held_and_storms_come_in_bursts(until: Until) -> None:
    quiet = Topology(workload=Workload(subscribers=1, connects_hz=0))
    with running(quiet, purpose="prove") as lab:
        lab.client("connection_holder", "--count", "30", "--rate", "1000")
        lab.client("connect_storm", "--burst", "20", "--every", "0.2")
        until(lambda: lab.gateway.log.read_text().count("code=1000") >= 40)


def test_a_front_passes_the_workload_on_and_a_reload_changes_it(until: Until) -> None:
    text = """
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
frontend clients
    bind "127.0.0.1:${FRONT_PORT}"
    default_backend gateway
backend gateway
    server gateway "127.0.0.1:${GATEWAY_PORT}"
"""
    with running(Topology(haproxy=text), purpose="prove") as lab:
        assert str(lab.front.port) in lab.url
        until(lambda: lab.service().clients == lab.service().clients_wanted)
        assert int(lab.front.pidfile.read_text()) == lab.front.pid
        lab.front.reload(text.replace("tunnel 1h", "tunnel 2h"))
        assert "tunnel 2h" in lab.front.config.read_text()
        assert lab.environment["HAPROXY_PID"] == str(lab.front.pid)
    assert lab.leftovers() == []
    with (
        pytest.raises(LabError, match="HAProxy does not start"),
        running(Topology(haproxy="nonsense\n"), purpose="prove"),
    ):
        pass


def test_the_logs_of_a_fault_begin_at_the_mark(lab: RunningLab) -> None:
    assert "listening" in lab.logs()
    lab.mark(logs=True)
    assert "listening" not in lab.logs()
