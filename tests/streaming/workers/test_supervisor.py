"""A supervisor and its worker processes, as their user meets them."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed

from plumbline.evidence import Endpoint
from plumbline.streaming.evidence import Workers
from plumbline.streaming.evidence_workers import workers_from_admin, workers_from_pid
from plumbline.streaming.probes.adminclient import AdminError


def test_workers_share_the_port_and_the_supervisor_answers_for_all(fleet, until):
    gateway = fleet("--workers", "2")
    assert len(gateway.ready["workers"]) == 2
    assert gateway.ready["pid"] == gateway.child.pid
    gateway.connect(24)
    until(lambda: gateway.ask(get="stats")["connections"] == 24)
    rows = gateway.rows()
    assert [row["worker"] for row in rows] == ["worker-0", "worker-1"]
    assert sorted(row["pid"] for row in rows) == sorted(gateway.ready["workers"])
    assert sum(row["connections"] for row in rows) == 24
    assert all(row["connections"] for row in rows)  # by hash: all on one of two has a chance of 1 in 8 million
    assert gateway.ask(get="queues")["connections"] == 24
    assert gateway.ask(get="closes")["connections"] == 24
    assert gateway.ask(get="settings")["close_timeout_s"] == 0.5
    assert gateway.ask(get="autoscaler") == {"policy": None, "decisions": [], "changes": []}
    with pytest.raises(AdminError, match="nothing scales these workers"):
        gateway.ask(**{"reload-policy": {}})
    assert "workers ready workers=2 open_files_limit=" in gateway.log
    assert "worker=1" in gateway.log


def test_all_metrics_are_on_the_supervisors_port_by_worker(fleet, until):
    gateway = fleet("--workers", "2")
    gateway.connect(3)
    until(lambda: gateway.ask(get="stats")["connections"] == 3)
    text = urllib.request.urlopen(gateway.ready["metrics"]).read().decode()
    samples = [line for line in text.splitlines() if line.startswith("plumbline_gateway_connections{")]
    assert [line.split(" ")[0] for line in samples] == [
        'plumbline_gateway_connections{worker="worker-0"}',
        'plumbline_gateway_connections{worker="worker-1"}',
    ]
    assert sum(float(line.split(" ")[1]) for line in samples) == 3
    assert 'plumbline_supervisor_workers{state="ready"} 2.0' in text
    assert text.count("# TYPE plumbline_gateway_connections gauge") == 1
    base = gateway.ready["metrics"].removesuffix("/metrics")
    assert json.load(urllib.request.urlopen(base + "/readyz"))["workers"] == {"worker-0": "ready", "worker-1": "ready"}
    assert urllib.request.urlopen(base + "/healthz").status == 200
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(base + "/else")


def test_a_worker_that_dies_is_started_again_and_the_others_go_on(fleet, until):
    gateway = fleet("--workers", "2")
    links = gateway.connect(16)
    until(lambda: gateway.ask(get="stats")["connections"] == 16)
    victim, survivor = gateway.rows()
    os.kill(victim["pid"], signal.SIGKILL)
    until(lambda: victim["pid"] not in gateway.pids() and len(gateway.pids()) == 2)
    rows = {row["pid"]: row for row in gateway.settled(2)}
    assert rows[survivor["pid"]]["connections"] == survivor["connections"]
    assert gateway.ask(get="workers")["deaths"] == 1
    assert "worker died worker=worker-0 code=-9" in gateway.log
    assert sum(map(answers, links)) == survivor["connections"]


def test_while_a_worker_is_down_new_connections_wait_and_are_not_refused(fleet, until):
    """Its accept queue is the supervisor's: nobody is reset, whoever the hash gives to the dead worker."""
    gateway = fleet("--workers", "1")
    os.kill(gateway.pids()[0], signal.SIGKILL)
    gateway.connect(5)  # served by the next one
    assert gateway.ask(get="stats")["connections"] == 5


def test_a_rolling_restart_replaces_every_process_and_refuses_nobody(fleet, until):
    gateway = fleet("--workers", "2")
    before = gateway.pids()
    gateway.connect(6)
    answer = gateway.ask(restart={})
    assert {row["state"] for row in answer["workers"]} == {"ready"}
    assert not set(before) & {row["pid"] for row in answer["workers"]}
    gateway.connect(6)
    until(lambda: gateway.ask(get="stats")["connections"] == 6)
    assert gateway.ask(get="stats")["accepted"] == 12  # counters of those that ended in order are kept
    assert sorted(path.name for path in gateway.admin.parent.iterdir() if path.is_socket()) == [
        "admin.sock",
        "admin.sock.worker-0",
        "admin.sock.worker-1",
    ]


def test_a_worker_whose_replacement_does_not_start_stays(fleet, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text("max_subscriptions = 10\n")
    gateway = fleet("--workers", "1", "--config", str(config))
    before = gateway.pids()
    config.write_text("max_subscriptions = -1\n")
    with pytest.raises(Exception, match="the old one stays"):
        gateway.ask(restart={})
    assert gateway.pids() == before
    gateway.connect(1)
    config.write_text("max_subscriptions = 11\n")
    gateway.ask(restart={})
    assert gateway.ask(get="workers")["workers"][0]["pid"] not in before


def test_scale_grows_at_once_and_shrinks_by_those_with_the_fewest_connections(fleet, until):
    gateway = fleet("--workers", "1")
    gateway.connect(10)
    until(lambda: gateway.ask(get="stats")["connections"] == 10)
    answer = gateway.ask(scale=3)
    assert [row["state"] for row in answer["workers"]] == ["ready"] * 3
    assert answer["spread"] == 3.0
    gateway.ask(scale=1)
    [row] = gateway.settled(1)
    assert (row["worker"], row["connections"]) == ("worker-0", 10)
    for wrong in (0, 257, "2", True, None):
        with pytest.raises(Exception, match="there may be 1 to 256 workers"):
            gateway.ask(scale=wrong)


def test_settings_reach_all_workers_and_those_that_come_later(fleet, until, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text('overflow = "latest"\n')
    gateway = fleet("--workers", "2", "--config", str(config))
    with pytest.raises(Exception, match="did you mean 'overflow'"):
        gateway.ask(set={"overflw": "wait"})
    assert gateway.ask(set={"overflow": "drop-oldest", "queue_max_bytes": "64KiB"})["queue_max_bytes"] == 65536
    gateway.ask(scale=3)

    def overflows():
        from plumbline.streaming.probes.adminclient import ask

        return [ask(f"{gateway.admin}.worker-{number}", {"get": "settings"})["overflow"] for number in range(3)]

    assert overflows() == ["drop-oldest"] * 3
    config.write_text('overflow = "wait"\n')
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: overflows() == ["wait"] * 3)
    config.write_text('overflw = "wait"\n')
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: "reload failed" in gateway.log)
    assert gateway.ask(get="settings")["overflow"] == "wait"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_drains_all_and_leaves_nothing(fleet, until, number):
    gateway = fleet("--workers", "2")
    gateway.connect(4)
    pids = gateway.pids()
    gateway.child.send_signal(number)
    assert gateway.child.wait(30) == 0
    assert not any(map(alive, pids))
    assert [path for path in gateway.admin.parent.iterdir() if path.is_socket()] == []
    assert gateway.log.count("worker left") == 2


def test_the_drain_verb_is_sigterm(fleet):
    gateway = fleet("--workers", "1")
    assert gateway.ask(drain={}) == {"workers": 1, "within_s": 0.2}
    assert gateway.child.wait(30) == 0


def test_a_drain_within_a_time_and_a_stop_at_once_reach_the_workers(fleet, until):
    """The settings' window would be minutes."""
    for end in (lambda one: one.ask(drain={"within_s": 0.2}), lambda one: one.child.send_signal(signal.SIGINT)):
        gateway = fleet("--workers", "2", settings=("drain_s=600",))
        gateway.connect(4)
        with pytest.raises(Exception, match="within_s"):
            gateway.ask(drain={"within_s": -1})
        end(gateway)
        assert gateway.child.wait(30) == 0


def test_told_twice_it_waits_no_longer(fleet, until):
    gateway = fleet("--workers", "1", settings=("drain_s=600",))
    gateway.connect(1)
    gateway.child.send_signal(signal.SIGTERM)
    until(lambda: "draining" in gateway.log)
    gateway.child.send_signal(signal.SIGTERM)
    assert gateway.child.wait(30) == 0


def test_workers_outlive_a_killed_supervisor_only_until_they_have_drained(fleet, until):
    gateway = fleet("--workers", "2")
    links = gateway.connect(4)
    pids = gateway.pids()
    gateway.child.kill()
    for link in links:
        assert json.loads(link.recv(timeout=20))["reconnect"]["because"] == "drain"
        with pytest.raises(ConnectionClosed):
            link.recv(timeout=20)
        assert link.close_code == 1012
    until(lambda: not any(map(alive, pids)), "the workers' end")
    assert gateway.log.count("supervisor gone action=drain") == 2


def test_a_worker_that_cannot_start_ends_the_command_with_a_sentence(fleet, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "admin.sock.worker-1").write_text("in the way")
    gateway = fleet("--workers", "2")
    assert gateway.ready is None
    assert gateway.child.wait(30) == 1
    assert "worker-1 ended with code 1 before it accepted connections" in gateway.log
    left = [path.name for path in gateway.admin.parent.glob("*.sock*") if not path.name.endswith(".last-end")]
    assert left == ["admin.sock.worker-1"]


def test_a_crash_loop_is_said_and_slowed_down(fleet, until, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text("max_subscriptions = 10\n")
    gateway = fleet("--workers", "1", "--config", str(config))
    config.write_text("max_subscriptions = -1\n")
    os.kill(gateway.pids()[0], signal.SIGKILL)
    until(lambda: "worker crash loop worker=worker-0 early_deaths=5" in gateway.log)
    [row] = gateway.rows()
    assert row["state"] in ("restarting", "starting")
    config.write_text("max_subscriptions = 10\n")
    gateway.settled(1)
    gateway.connect(1)


@pytest.mark.skipif(sys.platform != "linux", reason="processors can be chosen on Linux only")
def test_workers_can_be_bound_to_processors(fleet):
    gateway = fleet("--workers", "2", "--pin")
    cpus = sorted(os.sched_getaffinity(0))
    for number, row in enumerate(gateway.rows()):
        assert os.sched_getaffinity(row["pid"]) == {cpus[number % len(cpus)]}
        assert row["cpu"] == cpus[number % len(cpus)]


def test_the_spread_is_evidence_from_the_admin_socket_and_from_any_pid(fleet, until):
    gateway = fleet("--workers", "2")
    gateway.connect(8)
    until(lambda: gateway.ask(get="stats")["connections"] == 8)
    told = workers_from_admin(Endpoint("gw", admin=str(gateway.admin)))
    seen = workers_from_pid(Endpoint("gw", pid=gateway.child.pid))
    assert told.balance_interval_s == 0
    assert told.connections == seen.connections == 8
    assert sorted(told.counts) == sorted(seen.counts)
    assert told.spread == seen.spread == max(told.counts) / 4
    assert {item.pid for item in seen.workers} == set(gateway.pids())
    assert isinstance(told, Workers)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--workers", "0"], 2, "there may be 1 to 256"),
        (["--workers", "4..2"], 2, "the smaller number first"),
        (["--workers", "many"], 2, "write 2, auto or 2..8"),
        (["--workers", "2", "--listen", "nowhere"], 2, "'nowhere' is no address"),
        (["--workers", "2", "--metrics-listen", "0.0.0.0:0"], 2, "--allow-remote"),
        (["--workers", "2", "--autoscale", "/none.yaml"], 2, "No such file"),
        (["--workers", "2", "--listen", "203.0.113.1:80", "--allow-remote"], 2, "no TLS"),
        (
            ["--workers", "2", "--listen", "203.0.113.1:80", "--allow-remote", "--insecure"],
            1,
            "cannot listen on 203.0.113.1:80",
        ),
        (["--workers", "2", "--admin", "/none/a.sock"], 1, "cannot listen on /none/a.sock"),
        (["--workers", "2", "--listen-fd", "3"], 2, "leave --listen-fd out"),
        (["--pin"], 2, "--pin and --autoscale are for several workers"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(words, code, says):
    command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    [error] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert says in error
    assert "Traceback" not in done.stderr


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def answers(link):
    """Whether a client's connection still serves it."""
    try:
        link.send('{"id": 1, "ping": 1}')
        return json.loads(link.recv(timeout=20)) is not None
    except ConnectionClosed:
        return False
