"""Real runs: real sockets, real processes, servers with faults that are known."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import uvloop
from click.testing import CliRunner

from plumbline.cli.load import load
from plumbline.streaming import Gateway, Settings
from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.faults import Fault
from plumbline.streaming.load.records import Second
from plumbline.streaming.load.report.page import page
from plumbline.streaming.load.report.words import words
from plumbline.streaming.load.run import Options, Run, run

ALL = {"groups": [{"name": "all"}], "dialect": "broadcast"}


def publish(seconds=1.0, per_s=20, **more):
    return {"name": "load", "seconds": seconds, "publish": [{"group": "all", "per_s": per_s}], **more}


def test_a_faultless_server_delivers_all_of_it(plain, plan):
    report = run(plan(publish(), **ALL), Options(urls=(plain().url,)))
    assert report["messages"]["published"] == 20
    faults = dict.fromkeys(("lost", "duplicated", "reordered", "unrecovered", "skipped"), 0)
    assert report["ledger"] == {"expected": 100, "delivered": 100, **faults}
    assert report["connections"]["uptime"] == 1.0
    assert report["phases"][1]["latency"]["delivery"]["count"] == 100
    assert report["complete"]


def test_the_ledger_sees_what_the_server_dropped_and_doubled(plain, plan):
    report = run(plan(publish(), **ALL), Options(urls=(plain(drop={3, 20}, double={5}).url,)))
    assert report["ledger"]["lost"] == 2 * 5  # the last message too, after which nothing came
    assert report["ledger"]["duplicated"] == 5
    assert report["ledger"]["delivered"] == 90


def test_a_stall_shows_in_the_open_loop_and_hides_in_a_closed_one(plain, plan):
    stall = (20, 1.0)
    schedule = run(plan(publish(2.0, 50), **ALL), Options(urls=(plain(stall=stall).url,)))["phases"][1]
    closed = {"name": "load", "seconds": 2.0, "publish": [{"group": "all", "per_s": 50, "window": 1}]}
    circle = run(plan(closed, **ALL), Options(urls=(plain(stall=stall).url,)))["phases"][1]
    # During a stall of one second 50 messages are due: the open loop has them all late, so half of its percentiles see
    # it; the closed loop sends one, waits, and shows one late message among dozens.
    late = sum(value > 0.2 for percentile, value in schedule["curves"]["delivery"] if percentile in (90.0, 75.0))
    assert late == 2
    assert schedule["latency"]["delivery"]["p90_s"] > 10 * circle["latency"]["delivery"]["p90_s"]
    assert circle["closed_loop"]
    assert not schedule["closed_loop"]


def test_requests_are_answered_to_the_one_who_asked(plain, plan):
    phase = {"name": "ask", "seconds": 1.0, "requests_per_s": 30}
    report = run(plan(phase, dialect="echo"), Options(urls=(plain("echo").url,)))
    assert report["requests"] == {"requests": 30, "answers": 30}
    assert report["phases"][1]["latency"]["request"]["count"] == 30


def test_connections_that_the_server_closes_come_back_and_their_time_away_counts(plain, plan):
    server = plain(hang_up_at=5)
    report = run(plan(publish(2.0, 20), reconnect_s=0.2, **ALL), Options(urls=(server.url,)))
    assert report["connections"]["closes"] == {"4008": 6}
    assert report["connections"]["uptime"] < 1
    assert report["phases"][1]["latency"]["reconnect"]["count"] == 6
    assert report["seconds"][-1]["up"] == 6


def test_churn_and_storms_of_our_own_are_not_held_against_the_server(plain, plan):
    storm = {"name": "storm", "seconds": 20, "until_connected": True, "storm": {"share": 1.0, "spread_s": 0.1}}
    churn = {"name": "churn", "seconds": 1.0, "churn_per_s": 10}
    report = run(plan(storm, churn, **ALL), Options(urls=(plain().url,), processes=2))
    assert report["connections"]["uptime"] == 1.0
    assert report["connections"]["closes"] == {}
    assert report["phases"][1]["latency"]["reconnect"]["count"] == 5
    assert report["phases"][2]["latency"]["reconnect"]["count"] == 10
    assert report["generators"] == 2


def test_a_slow_reader_has_an_account_of_its_own(plain, plan):
    report = run(plan(publish(slow_readers=1), **ALL), Options(urls=(plain().url,)))
    assert report["slow_readers"]["expected"] == 20
    assert report["ledger"]["expected"] == 80
    assert report["phases"][1]["latency"]["delivery"]["count"] == 80
    assert report["phases"][1]["latency"]["slow"]["count"] == 20


def test_a_broadcast_says_when_the_last_reader_had_it(plain, plan):
    report = run(plan(publish(2.0, 2, completion=True), publish(1.0, 1), **ALL), Options(urls=(plain().url,)))
    assert 2 <= report["phases"][1]["latency"]["completion"]["count"] <= 4


def test_nobody_there_is_counted_and_not_waited_for_in_vain(plan):
    report = run(plan(publish(1.0), **ALL), Options(urls=("ws://127.0.0.1:1/",)))
    assert report["connections"]["failures"]["refused"] >= 2
    assert report["connections"]["uptime"] is None
    assert report["lasted_s"] < report["scenario"]["phases"][0]["seconds"]
    assert [phase["name"] for phase in report["phases"]] == ["ramp"]
    assert not report["complete"]
    assert report["bottleneck"]["limit"] == "nobody"
    said = words(report).splitlines()
    assert len(said) == 2
    assert "Nobody was ever connected to ws://127.0.0.1:1/: all" in said[1]


def test_the_command_says_in_one_sentence_that_nobody_is_there():
    done = CliRunner().invoke(load, ["ws://127.0.0.1:1/", "--connections", "2", "--seconds", "1"])
    assert done.exit_code == 4
    assert done.stdout.count("Nobody was ever connected") == 1


def test_a_server_that_comes_a_moment_later_is_loaded_all_the_same(plain, plan):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    late = threading.Thread(target=plain, kwargs={"port": port})

    def after_refusals(_: Second, totals: dict[str, float]) -> None:
        if totals["failures"] and late.ident is None:
            late.start()

    report = run(plan(publish(0.5), reconnect_s=0.2, **ALL), Options(urls=(f"ws://127.0.0.1:{port}/",)), after_refusals)
    late.join()
    assert report["complete"]
    assert report["connections"]["failures"]["refused"]
    assert report["ledger"]["lost"] == 0


def test_a_server_that_stands_still_under_a_fault_is_measured(plain, plan):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        fault = Fault("kill-worker", 0.3, pids=(child.pid,))
        report = run(plan(publish(1.5), **ALL), Options(urls=(plain().url,), faults=(fault,)))
        assert child.wait(10) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
    (struck,) = report["faults"]
    assert struck["did"] == f"killed pid {child.pid}"
    assert struck["at_s"] >= 0.3


def test_a_generator_process_that_is_killed_makes_the_report_incomplete(plain, plan):
    def kill(second, totals):
        if second.up and not struck:
            struck.append(one.fleet.pids[0])
            os.kill(one.fleet.pids[0], signal.SIGKILL)

    struck = []
    one = Run(plan(publish(3.0), **ALL), Options(urls=(plain().url,), processes=2), kill)
    report = uvloop.run(one())
    assert struck
    assert report["generators_lost"] == 1
    assert not report["complete"]


def test_a_gateways_offsets_acknowledgements_and_samples_are_in_the_report(plan, tmp_path):
    ready, done = threading.Event(), threading.Event()
    served = {}

    async def serve():
        import asyncio

        async with Gateway(Settings(), admin=str(tmp_path / "admin.sock")) as gateway:
            served["url"] = gateway.url
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        groups = [{"name": "small", "channels": 4, "readers": 2, "publishers": 2}, {"name": "large"}]
        phase = {
            "name": "mixed",
            "seconds": 1.5,
            "requests_per_s": 10,
            "publish": [
                {"group": "small", "per_s": 40, "arrivals": "random"},
                {"group": "large", "per_s": 4, "bytes": 1000},
            ],
        }
        options = Options(urls=(served["url"],), admins=(str(tmp_path / "admin.sock"),))
        report = run(plan(phase, groups=groups), options)
    finally:
        done.set()
        thread.join(20)
    assert report["ledger"]["lost"] == 0
    assert report["messages"]["published"] == report["messages"]["taken"]
    assert report["requests"] == {"requests": 15, "answers": 15}
    assert report["phases"][1]["latency"]["ack"]["count"] == report["messages"]["taken"]
    assert any(one["gateway"] for one in report["samples"])
    assert report["bottleneck"]["sentence"]
    shown = page(report)
    assert shown.count("<svg") >= 4
    assert "messages were lost" in shown
    assert "uptime" in words(report)


@pytest.mark.skipif(sys.platform != "linux", reason="the wheel of nats-server is for Linux")
def test_nats_server_is_loaded_in_its_own_language(plan, tmp_path):
    program = Path(sys.executable).parent / "nats-server"
    assert program.exists() or shutil.which("nats-server")
    config = tmp_path / "nats.conf"
    config.write_text("host: 127.0.0.1\nport: -1\nwebsocket { host: 127.0.0.1, port: -1, no_tls: true }\n")
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen([program, "-c", config], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while "Listening for websocket" not in (text := (tmp_path / "log").read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        port = text.split("Listening for websocket clients on ws://127.0.0.1:")[1].split()[0]
        phase = publish() | {"requests_per_s": 10}
        report = run(
            plan(phase, groups=[{"name": "all"}], dialect="nats"),
            Options(urls=(f"ws://127.0.0.1:{port}/",), pids=(child.pid,)),
        )
    finally:
        child.terminate()
        child.wait(10)
    assert report["ledger"]["delivered"] == 100
    assert report["ledger"]["lost"] == 0
    assert report["requests"]["answers"] == 10


def test_a_run_needs_a_server_and_the_token_it_names(plan):
    with pytest.raises(LoadError, match="there is no server to load"):
        Run(plan(**ALL), Options(urls=()))
    with pytest.raises(LoadError, match="no variable PLUMBLINE_NO_SUCH"):
        Run(plan(**ALL), Options(urls=("ws://127.0.0.1:1/",), token_env="PLUMBLINE_NO_SUCH"))


def generators():
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "plumbline.streaming.load.generator" in " ".join(process.info["cmdline"] or [])
    ]


def command(*words_, **options):
    return subprocess.Popen(
        [sys.executable, "-c", "from plumbline.cli.main import main; main()", "load", *words_],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


LONG = ("--dialect", "broadcast", "--connections", "5", "--seconds", "60")


def until_published(child):
    for line in child.stderr:
        if "published 0" not in line and "published" in line:
            return
    raise AssertionError("it never published")


def test_ctrl_c_ends_the_run_with_a_report_of_what_was_measured_so_far(plain, tmp_path):
    child = command(plain().url, *LONG, "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html"))
    until_published(child)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    report = json.loads((tmp_path / "r.json").read_text())
    assert child.returncode == 130
    assert report["interrupted"]
    assert report["ledger"]["delivered"] > 0
    assert "interrupted" in out
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_kill_9_of_the_command_leaves_no_process(plain):
    before = set(generators())
    child = command(plain().url, *LONG)
    until_published(child)
    mine = set(generators()) - before
    assert mine
    child.kill()
    child.communicate(timeout=30)
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in mine if psutil.pid_exists(pid)], timeout=20)
    assert not alive
