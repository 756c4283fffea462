"""The prover on trial: a sound problem is proven, and what is unsound fails at the phase that is there for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from plumbline.catalogue import Catalogue
from plumbline.handbook.records import Proof
from plumbline.lab.proof import record
from plumbline.lab.proof.course import PHASES

from .toy_catalogue import ID, LONG, alter, diagnostic, failure, fault, guide, problem, prove


def test_a_sound_problem_is_proven_and_recorded_and_leaves_nothing_behind(toy: Path, state: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    course = prove(toy, patience=LONG, keep=True)
    assert course.proven, course.failed
    assert [phase.name for phase in course.phases] == list(PHASES)
    assert all(phase.sentence for phase in course.phases)
    found = Proof.model_validate_json((toy / "docs/proof/streaming/message-too-big.json").read_text())
    assert found.proven
    assert found.matrix[ID].model_dump() == {"healthy": "ok", "fault": "critical"}
    assert found.decoys[0].model_dump() == {"id": "decoy-queue", "status": "critical"}
    assert {one.register_: one.rank for one in found.found} == {"paraphrase": 2, "log": 2}
    assert found.likelihoods.red_given_fault.model_dump() == {"red": 1, "runs": 1}
    assert found.likelihoods.red_given_healthy.model_dump() == {"red": 0, "runs": 2}
    assert found.time_to_red_s is not None
    assert 0 < found.time_to_red_s < found.duration_s
    assert found.time_to_green_s is not None
    assert 0 < found.time_to_green_s < found.duration_s
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert list(state.iterdir()) == []


def test_a_fault_that_does_nothing_fails_at_inject(toy: Path) -> None:
    alter(fault(toy), r"lab\.gateway\.restart\(.*?\)", "del lab")
    phase, sentence = failure(prove(toy))
    assert phase == "inject", sentence
    assert "no client feels it" in sentence


def test_a_diagnostic_that_is_always_ok_fails_at_red(toy: Path) -> None:
    alter(diagnostic(toy), r"if not count:", "if True:")
    phase, sentence = failure(prove(toy))
    assert phase == "red", sentence
    assert "says ok" in sentence


def test_a_diagnostic_that_is_always_critical_fails_at_the_baseline(toy: Path) -> None:
    alter(diagnostic(toy), r"if not count:", "if count < 0:")
    phase, sentence = failure(prove(toy))
    assert phase == "baseline", sentence
    assert "nothing is broken, but" in sentence


def test_a_diagnostic_that_fails_is_neither_green_nor_red(toy: Path) -> None:
    alter(diagnostic(toy), r"if not count:", "if count / 0:")
    phase, sentence = failure(prove(toy, patience=replace(LONG, settle_s=4.0)))
    assert phase == "baseline", sentence
    assert "is unknown" in sentence


@pytest.mark.parametrize("removed", ["fix-limit", "fix-restart"])
def test_a_fix_without_one_of_its_steps_fails_at_green(toy: Path, removed: str) -> None:
    alter(guide(toy), rf"``` {{\.bash \.fix #{removed}}}.*?```\n", "")
    phase, sentence = failure(prove(toy))
    assert phase == "green", sentence
    assert "the fix was applied, but" in sentence


def test_a_guide_without_any_executable_fix_fails_at_fix(toy: Path) -> None:
    alter(guide(toy), r"{\.bash \.fix #[a-z-]+}", "bash")
    assert failure(prove(toy))[0] == "fix"


def test_a_step_that_fails_is_told_with_its_output(toy: Path) -> None:
    alter(guide(toy), r"restart-gateway\n", "echo it is late >&2; exit 3\n")
    phase, sentence = failure(prove(toy))
    assert phase == "fix", sentence
    assert "step 'fix-restart' fails with exit code 3: it is late" in sentence


def test_a_step_that_does_not_end_is_cut_off(toy: Path) -> None:
    alter(guide(toy), r"restart-gateway\n", "echo waiting; sleep 600\n")
    phase, sentence = failure(prove(toy, patience=replace(LONG, step_s=2.0)))
    assert phase == "fix", sentence
    assert "step 'fix-restart' does not end within 2 s: waiting" in sentence


def test_deleting_the_publishers_is_no_fix(toy: Path) -> None:
    alter(guide(toy), r"restart-gateway\n", 'kill "$(cat workload.pid)"; sleep 1.2\n')
    phase, sentence = failure(prove(toy))
    assert phase == "green", sentence
    assert "workload" in sentence


def test_a_decoy_that_helps_fails_at_control(toy: Path) -> None:
    alter(guide(toy), r"plumb gateway set queue_max_bytes=8MiB", "plumb gateway set max_message_bytes=65536")
    phase, sentence = failure(prove(toy, patience=replace(LONG, decoy_s=5.0)))
    assert phase == "control", sentence
    assert "decoy 'decoy-queue' was applied, and yet it is ok again" in sentence


def test_a_decoy_that_cannot_be_applied_proves_nothing(toy: Path) -> None:
    alter(guide(toy), r"plumb gateway set queue_max_bytes=8MiB", "false")
    phase, sentence = failure(prove(toy))
    assert phase == "control", sentence
    assert "cannot be applied (exit 1)" in sentence


def test_a_fault_that_heals_by_itself_fails_at_control(toy: Path) -> None:
    heal = "sleep 3; plumb gateway set max_message_bytes=65536"
    healing = f"lab.set(max_message_bytes=128); lab.spawn('heal', 'sh', '-c', '{heal}')"
    alter(fault(toy), r"lab\.gateway\.restart\(.*?\)", healing)
    phase, sentence = failure(prove(toy, patience=replace(LONG, hold_s=6.0)))
    assert phase == "control", sentence
    assert "nothing was done, and yet" in sentence


def test_a_cause_that_the_record_does_not_declare_fails_at_red(toy: Path) -> None:
    alter(diagnostic(toy), r'cause="limit-too-small"', 'cause="bad-luck"')
    phase, sentence = failure(prove(toy))
    assert phase == "red", sentence
    assert "cause 'bad-luck'" in sentence


def second_diagnostic(root: Path) -> None:
    source = diagnostic(root).read_text()
    (root / "diagnostics/streaming/another.py").write_text(source)
    (root / "diagnostics/streaming/another.py").chmod(0o755)


def test_another_diagnostic_that_goes_red_undeclared_fails_at_red(toy: Path) -> None:
    second_diagnostic(toy)
    phase, sentence = failure(prove(toy))
    assert phase == "red", sentence
    assert "streaming.another is critical" in sentence


def test_another_diagnostic_may_go_red_if_the_record_says_so(toy: Path) -> None:
    second_diagnostic(toy)
    alter(problem(toy), r"paraphrases:", "collateral: [streaming.another]\nparaphrases:")
    course = prove(toy, patience=LONG)
    assert course.proven, course.failed
    assert record.matrix(course)["streaming.another"] == {"healthy": "ok", "fault": "critical"}


def nothing(query: str, *, catalogue: Catalogue, limit: int) -> list[dict[str, object]]:
    return []


def too_late(query: str, *, catalogue: Catalogue, limit: int) -> list[dict[str, object]]:
    # Several sections of one page are one answer.
    return [{"id": name} for name in ("a", "a", "b", "c", ID)]


@pytest.mark.parametrize(
    ("find", "words"),
    [(None, "no search is installed"), (nothing, "at no rank"), (too_late, "at 4 rank")],
    ids=["no search", "not found", "found too late"],
)
def test_a_guide_that_is_not_found_fails_at_found(toy: Path, find: Any, words: str) -> None:
    phase, sentence = failure(prove(toy, find=find))
    assert phase == "found", sentence
    assert words in sentence


def test_signatures_without_a_log_line_fail_at_found(toy: Path) -> None:
    alter(fault(toy), r"$", "\n    def logs(self, lab: Lab) -> str:\n        return ''\n")
    phase, sentence = failure(prove(toy))
    assert phase == "found", sentence
    assert "nothing was logged" in sentence
