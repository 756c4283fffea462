"""Isolation: whatever a diagnostic does, it is reported, it harms nothing, and the others run on."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from plumbline.diagnosis.confine import landlock_abi
from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.pool import environment
from plumbline.diagnosis.runner import Runner
from plumbline.diagnosis.select import UnknownDiagnosticError
from plumbline.evidence import Endpoint

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a facility of the Linux kernel")
HERE = Endpoint(name="here", url="ws://127.0.0.1:1/")
HANG = "time.sleep(3600)"
SPIN = "while True: pass"
SEGFAULT = "return ctypes.string_at(0)"
WRITES = {
    "open": "open({path!r}, 'w').write('x')",
    "append": "open({path!r}, 'a').write('x')",
    "low-level": "os.write(os.open({path!r}, os.O_WRONLY | os.O_CREAT), b'x')",
    "pathlib": "Path({path!r}).write_text('x')",
    "touch": "Path({path!r}).touch()",
    "mkdir": "os.mkdir({path!r})",
    "symlink": "os.symlink('/etc', {path!r})",
    "rename": "os.rename({old!r}, {path!r})",
    "remove": "os.remove({old!r})",
    "truncate": "os.truncate({old!r}, 0)",
    "chmod": "os.chmod({old!r}, 0o777)",
    "other program": "subprocess.run(['touch', {path!r}])",
    "shell": "os.system('touch ' + {path!r})",
    "c library": "ctypes.CDLL(None).creat({path!r}.encode(), 0o644)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runner")


@pytest.fixture(scope="module")
def runner(folder, write, source):
    """A runner over diagnostics that misbehave, each in its own way."""
    old = folder / "old"
    old.write_text("content")
    texts = {
        "host.fine": source(),
        "host.too-thin": source('return unknown("Two samples are too few.")'),
        "host.red": source('return critical("9 s.", cause="c", impact="i", next="n")'),
        "host.hangs": source(HANG, timeout_s=0.3),
        "host.spins": source(SPIN, timeout_s=0.3),
        "host.hangs-long": source(HANG),
        "host.segfault": source(SEGFAULT),
        "host.exits": source("os._exit(0)"),
        "host.sys-exit": source("sys.exit(0)"),
        "host.raises": source("return 1 / 0"),
        "host.no-finding": source("return 'fine'"),
        "host.not-finite": source('return ok("inf", Measure("x", float("inf"), "s"))'),
        "host.fills-memory": source("return ok(str(len(bytearray(8 << 30))))"),
        "host.big": source(read='return Number(1.0, owner="x" * (40 << 20))'),
        "host.prints": source('print("noise"); print("noise", file=sys.stderr); ' + 'return ok("quiet")'),
        "host.closes": source("os.closerange(0, 100); time.sleep(3600)"),
        "host.connects": source('return socket.create_connection(("127.0.0.1", 9))'),
        "host.unavailable": source(read='raise UnavailableError("permission", "run as root")'),
        "host.source-fails": source(read="raise RuntimeError('odd')"),
        "host.needs-pid": source(needs='["pid"]'),
        "host.broken": "#!/usr/bin/env -S plumb run\n",
        "host.environment": source('return ok(" ".join(sorted(os.environ)) + ".")'),
        "host.network": source(read='return Number(float(os.stat("/proc/self/ns/net").st_ino))'),
        "host.leaks": source('raise ValueError(f"ws://bob:CANARY-1@h/?token=CANARY-2 {sys.argv} token")'),
    }
    for name, statement in WRITES.items():
        body = statement.format(path=str(folder / "new"), old=str(old))
        texts[f"streaming.{name.replace(' ', '-')}"] = source(f'{body}; return ok("Done.")')
    with Runner(write(folder / "catalogue", texts), jobs=4) as running:
        yield running


def _only(runner, name, endpoint=HERE, **options):
    (result,) = runner.run([name], endpoint, **options).results
    return result


def test_a_finding_comes_back_whole(runner):
    result = _only(runner, "host.fine")
    assert (result.status, result.reason, result.sentence) == (Status.OK, None, "It takes 3.0 s.")
    assert str(result.measures[0].limit) == "5 s"
    assert result.measures[0].limit.name == "too much"
    assert result.reads == ("the number of ws://127.0.0.1:1/",)
    assert result.target == "here"
    assert result.question == "Is the number small enough?"
    assert result.guide == "/troubleshooting/host/fine/"


def test_a_red_finding_names_the_threshold_as_its_reason(runner):
    result = _only(runner, "host.red")
    assert (result.status, result.reason, result.cause, result.next) == (Status.CRITICAL, "threshold", "c", ("n",))


def test_a_judge_that_has_too_little_is_unknown_for_lack_of_evidence(runner):
    result = _only(runner, "host.too-thin")
    assert (result.status, result.reason) == (Status.UNKNOWN, "no_evidence")


@pytest.mark.parametrize("name", ["host.hangs", "host.spins"])
def test_a_hung_diagnostic_is_killed_and_reported_unknown(runner, name):
    result = _only(runner, name, Endpoint(name="here", patience_s=0.1), timeout_s=0.3)
    assert (result.status, result.reason) == (Status.UNKNOWN, "timeout")
    assert "did not finish within 0.3 s and was killed" in result.sentence
    assert _only(runner, "host.fine").status is Status.OK


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("host.segfault", "was ended by SIGSEGV"),
        ("host.exits", "ended before it answered"),
        ("host.sys-exit", "the diagnostic failed: SystemExit: 0"),
        ("host.raises", "the diagnostic failed: ZeroDivisionError: division by zero (raises.py:"),
        ("host.no-finding", "it returned str, not a Finding"),
        ("host.not-finite", "its measure 'x' is inf, which is no number"),
        ("host.fills-memory", "MemoryError"),
        ("host.big", "its evidence exceeds 32 MiB"),
        ("host.connects", "it called socket.connect; a diagnostic judges evidence and does nothing else"),
        ("host.source-fails", "reading the evidence failed: RuntimeError: odd"),
        ("host.broken", "has no docstring"),
    ],
)
def test_a_failing_diagnostic_is_unknown_with_one_sentence(runner, name, told):
    if name == "host.fills-memory" and sys.platform != "linux":
        pytest.skip("macOS enforces no limit of address space")
    result = _only(runner, name)
    assert (result.status, result.reason) == (Status.UNKNOWN, "exception")
    assert told in result.sentence
    assert "\n" not in result.sentence


def test_a_process_that_closes_its_connection_is_killed(runner):
    result = _only(runner, "host.closes")
    assert result.reason == "exception"  # not `timeout`: nobody waited for it


def test_a_source_says_why_it_cannot_be_read(runner):
    result = _only(runner, "host.unavailable")
    assert (result.status, result.reason, result.sentence) == (Status.UNKNOWN, "permission", "run as root")
    assert result.reads


def test_a_target_that_lacks_what_is_needed_is_not_configured(runner):
    result = _only(runner, "host.needs-pid")
    assert result.reason == "not_configured"
    assert "does not give what Number needs: process id (pid)" in result.sentence
    assert "no lab is running" in _only(runner, "host.needs-pid", Endpoint(name="lab")).sentence


@pytest.mark.parametrize("how", WRITES)
def test_a_file_writing_diagnostic_is_unknown_and_nothing_is_written(runner, folder, how):
    if how == "c library" and not landlock_abi():
        pytest.skip("this kernel has no Landlock, which alone sees calls past Python")
    result = _only(runner, f"streaming.{how.replace(' ', '-')}")
    if how != "c library":  # refused by the kernel with a return value, which that diagnostic ignores
        assert (result.status, result.reason) == (Status.UNKNOWN, "exception")
        assert "the diagnostic was stopped: it " in result.sentence
    assert not (folder / "new").exists()
    assert (folder / "old").read_text() == "content"
    assert (folder / "old").stat().st_mode & 0o777 != 0o777


def test_what_a_diagnostic_prints_reaches_nobody(runner, capfd):
    assert _only(runner, "host.prints").sentence == "quiet"
    assert capfd.readouterr() == ("", "")


def test_workers_see_a_short_list_of_the_environment(folder, write, source, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "CANARY")
    assert "DATABASE_PASSWORD" not in environment()
    with Runner(write(folder / "env", {"host.e": source('return ok(f"{sorted(os.environ.items())}")')})) as own:
        assert "CANARY" not in _only(own, "host.e").sentence


def test_secrets_of_the_target_are_taken_out_of_exceptions(runner):
    endpoint = Endpoint(name="here", url="ws://h/?token=CANARY-3", token="CANARY-4")
    result = _only(runner, "host.leaks", endpoint)
    assert "ws://[redacted]@h/?token=[redacted]" in result.sentence
    assert "CANARY" not in json.dumps(result.to_json())


@LINUX
def test_collecting_happens_in_the_network_namespace_of_the_target(runner):
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    with subprocess.Popen([*unshare, "sh", "-c", "echo in; exec sleep 60"], stdout=subprocess.PIPE) as other:
        if other.stdout.readline() != b"in\n":
            pytest.skip("this machine lets us make no network namespace")
        try:
            inside = Path(f"/proc/{other.pid}/ns/net").stat().st_ino
            result = _only(runner, "host.network", Endpoint(name="lab", netns_of=other.pid))
            assert result.measures[0].value == inside
            outside = _only(runner, "host.network").measures[0].value
            assert outside == Path("/proc/self/ns/net").stat().st_ino != inside
        finally:
            other.kill()
    result = _only(runner, "host.network", Endpoint(name="lab", netns_of=other.pid))
    assert (result.status, result.reason) == (Status.UNKNOWN, "unreachable")


def test_results_come_in_the_order_of_ids_whoever_finishes_first(runner):
    report = runner.run(["host.red", "host.exits", "host.fine"], HERE)
    assert [result.id for result in report.results] == ["host.exits", "host.fine", "host.red"]
    assert (report.worst, report.complete, report.exit_code()) == (Status.CRITICAL, False, 1)


def test_events_tell_the_run_as_it_happens(runner):
    events = []
    report = runner.run(["host.fine", "host.red"], HERE, events.append)
    assert [event["event"] for event in events][::5] == ["run.started", "run.finished"]
    assert events[0] == {"event": "run.started", "ids": ["host.fine", "host.red"], "target": "here"}
    assert {event["id"] for event in events if event["event"] == "check.started"} == {"host.fine", "host.red"}
    assert [event["result"] for event in events if event["event"] == "check.finished"] != []
    assert events[-1]["report"] == report.to_json()


def test_an_unknown_id_is_refused_before_anything_runs(runner):
    with pytest.raises(UnknownDiagnosticError, match=r"did you mean 'host\.fine'"):
        runner.run(["host.fime"], HERE)


def test_a_listener_that_fails_ends_the_run_in_the_callers_thread(runner):
    def listener(event):
        if event["event"] == "check.finished":
            raise RuntimeError("the page is gone")

    with pytest.raises(RuntimeError, match="the page is gone"):
        runner.run(["host.fine"], HERE, listener)
    assert _only(runner, "host.fine").status is Status.OK


def test_a_cancelled_run_ends_at_once_and_says_what_was_not_judged(runner):
    cancel = threading.Event()

    def listener(event):
        if event["event"] == "check.started":
            cancel.set()

    report = runner.run(["host.hangs-long"], HERE, listener, cancel=cancel)
    assert [(result.status, result.reason) for result in report.results] == [(Status.UNKNOWN, "cancelled")]


def test_a_run_that_was_cancelled_before_starts_nothing(runner):
    cancel = threading.Event()
    cancel.set()
    report = runner.run(["host.fine", "host.red"], HERE, cancel=cancel)
    assert {result.reason for result in report.results} == {"cancelled"}


def test_several_threads_may_run_at_once(runner):
    reports = {}

    def work(number):
        reports[number] = runner.run(["host.fine", "host.red"], Endpoint(name=f"t{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: report.target for number, report in reports.items()} == {n: f"t{n}" for n in range(5)}
    assert all(report.complete for report in reports.values())


def test_a_worker_that_dies_is_replaced(runner):
    assert _only(runner, "host.fine").status is Status.OK
    for process in psutil.Process().children():
        if "plumbline.diagnosis.worker" in process.cmdline():
            process.kill()
            process.wait()
    assert _only(runner, "host.fine").status is Status.OK


def test_jobs_leave_no_process_behind(runner):
    runner.run(["host.hangs", "host.segfault", "host.fine"], HERE, timeout_s=0.2)
    (worker,) = (one for one in psutil.Process().children() if "plumbline.diagnosis.worker" in one.cmdline())
    assert worker.children(recursive=True) == []


def test_patience_of_a_target_lengthens_the_time_out(write, source, folder):
    catalogue = write(
        folder / "patient", {"host.slow": source(read="time.sleep(0.3); return Number(1.0)", timeout_s=0.1)}
    )
    with Runner(catalogue) as own:
        assert _only(own, "host.slow", Endpoint(name="here", patience_s=1.0)).status is Status.OK
