"""Runs: redacted for sharing, told as they go, cancellable, paced; nothing of them outlives the server."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from plumbline.assistant.pace import Pace
from plumbline.assistant.refusals import RefusedError

if TYPE_CHECKING:
    from conftest import Assistant, Wire

PATIENCE_S = 30.0


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=PATIENCE_S)[1]


def test_a_result_is_redacted_as_in_a_bundle(small: Assistant) -> None:
    report = small.answer("run_diagnostic", ids=["host.quick"])
    (result,) = report["results"]
    assert result["status"] == "ok"
    assert result["sentence"].startswith("owner-1 ")
    for private in ("alice-of-accounting", "hunter2-canary", "alice@example.com"):
        assert private not in json.dumps(report)


def test_a_diagnostic_whose_evidence_the_target_lacks_is_unknown(small: Assistant) -> None:
    (result,) = small.answer("run_diagnostic", ids=["host.far"])["results"]
    assert (result["status"], result["reason"]) == ("unknown", "not_configured")


def test_each_finished_check_is_told_once_and_before_the_report(wire: Wire) -> None:
    wire.run(1, ["host.quick", "host.far"])
    told = [wire.receive()["params"] for _ in range(2)]
    assert [(one["progress"], one["total"]) for one in told] == [(1, 2), (2, 2)]
    assert {one["message"] for one in told} == {"host.quick: ok", "host.far: unknown"}
    assert wire.receive()["id"] == 1


def test_what_a_diagnostic_prints_stays_off_standard_output(wire: Wire) -> None:
    wire.run(1, ["host.quick"])
    assert wire.receive()["method"] == "notifications/progress"
    assert wire.receive()["id"] == 1
    wire.to.close()
    assert wire.back.read() == ""


def test_a_cancelled_run_is_killed_gets_no_answer_and_the_session_goes_on(wire: Wire) -> None:
    worker, hung = wire.underway()
    wire.send(method="notifications/cancelled", params={"requestId": 1})
    assert gone([hung])
    wire.run(2, ["host.quick"])
    assert wire.receive()["params"]["progressToken"] == 2
    assert wire.receive()["id"] == 2
    assert worker.is_running()


def test_when_standard_input_closes_the_process_and_its_workers_end(wire: Wire) -> None:
    below = wire.underway()
    wire.to.close()
    assert wire.process.wait(PATIENCE_S) == 0
    assert gone(below)


def test_when_the_assistant_is_gone_altogether_nothing_stays(wire: Wire) -> None:
    below = wire.underway()
    wire.back.close()
    wire.to.close()
    wire.process.wait(PATIENCE_S)
    assert gone(below)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_killing_the_server_leaves_no_worker_behind(wire: Wire, kind: signal.Signals) -> None:
    below = wire.underway()
    os.kill(wire.process.pid, kind)
    assert wire.process.wait(PATIENCE_S) == -kind
    assert gone(below)


def test_a_third_run_at_once_and_a_thirty_first_within_a_minute_are_refused() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    with pace.run(), pace.run(), pytest.raises(RefusedError, match="2 runs are under way"), pace.run():
        pass
    for _ in range(28):
        with pace.run():
            pass
    now = 12.0
    with (
        pytest.raises(RefusedError, match="30 runs were started within a minute, which is the limit; wait 48 s"),
        pace.run(),
    ):
        pass
    now = 60.0
    with pace.run():
        pass
