"""The prover on trial: a sound problem is proven, and what is unsound fails at the phase that is there for it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from plumbline.catalogue import Catalogue, CatalogueError
from plumbline.diagnosis.runner import Runner
from plumbline.handbook.records import Proof
from plumbline.lab.proof import record
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.course import PHASES, Course
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.prove import Prover

TOY = Path(__file__).parent / "toy"
ID = "streaming.message-too-big"
# Short for what must not come; what must come ends its phase by itself.
BRIEF = Patience(felt_s=4.0, stretch=0.3, hold_s=0.6, hold_runs=2, decoy_s=1.0)
LONG = replace(BRIEF, felt_s=60.0, stretch=4.0)


def finds_it(query: str, *, catalogue: Catalogue, limit: int) -> list[dict[str, object]]:
    return [{"id": "streaming.another"}, {"id": ID}]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TOY, tmp_path / "catalogue"))


def prove(root: Path, *, find: Any = finds_it, patience: Patience = BRIEF, keep: bool = False) -> Course:
    catalogue = Catalogue(root)
    campaign = Campaign(catalogue, [])
    with Runner(catalogue) as runner:
        prover = Prover(catalogue, runner, find=find, patience=patience)
        (verdict,) = campaign.run(prover, keep=keep, keep_going=False, begin=lambda name: None)
    return verdict.course


def alter(path: Path, pattern: str, replacement: str) -> None:
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, flags=re.DOTALL)
    assert changed != text, f"{path}: nothing matches {pattern}"
    path.write_text(changed)


def diagnostic(root: Path) -> Path:
    return root / "diagnostics/streaming/message_too_big.py"


def fault(root: Path) -> Path:
    return root / "kb/streaming/message-too-big/fault.py"


def guide(root: Path) -> Path:
    return root / "docs/troubleshooting/streaming/message-too-big.md"


def problem(root: Path) -> Path:
    return root / "kb/streaming/message-too-big/problem.yml"


def failure(course: Course) -> tuple[str, str]:
    assert not course.proven
    assert course.failed is not None
    assert course.phases[-1].name == "clean-up"
    assert course.phases[-1].ok, course.phases[-1].sentence
    return course.failed.name, course.failed.sentence


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


def test_a_machine_that_lacks_something_makes_the_proof_red_and_says_what(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter(fault(toy), r"    topology = ", '    needs = frozenset({"haproxy"})\n    topology = ')
    monkeypatch.setattr("plumbline.lab.needs.shutil.which", lambda name: None)
    phase, sentence = failure(prove(toy))
    assert phase == "baseline", sentence
    assert "cannot run: this machine lacks haproxy on the PATH ('apt-get install haproxy'" in sentence


def test_a_fault_that_raises_is_red_with_its_words(toy: Path) -> None:
    alter(fault(toy), r"lab\.gateway\.restart\(.*?\)", "raise RuntimeError('no tools')")
    assert failure(prove(toy)) == ("inject", "RuntimeError: no tools")


def test_an_empty_catalogue_is_an_error(toy: Path) -> None:
    guide(toy).unlink()
    with pytest.raises(CatalogueError, match="an empty catalogue is never green"):
        Campaign(Catalogue(toy), [])


def test_an_unknown_name_is_an_error_with_the_nearest_one(toy: Path) -> None:
    with pytest.raises(CatalogueError, match=r"did you mean 'streaming\.message-too-big'"):
        Campaign(Catalogue(toy), ["streaming.message-to-big"])


UNREADABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("no record", lambda root: problem(root).unlink(), "problem.yml: is missing"),
    ("no fault", lambda root: fault(root).unlink(), "fault.py: is missing"),
    ("a fault that is no Python", lambda root: fault(root).write_text("def"), "cannot be loaded: SyntaxError"),
    ("no fault in the file", lambda root: fault(root).write_text("x = 1"), "defines 0 faults"),
    (
        "no diagnostic",
        lambda root: shutil.move(diagnostic(root), diagnostic(root).with_name("other.py")),
        "not in the cat",
    ),
    ("an unknown key", lambda root: problem(root).write_text(problem(root).read_text() + "colour: red\n"), "colour"),
    ("an undeclared decoy", lambda root: alter(guide(root), "#decoy-queue", "#decoy-other"), "decoys differ"),
    ("a broken fence", lambda root: alter(guide(root), "#decoy-queue", "#Decoy_Queue"), "in lower case"),
]


@pytest.mark.parametrize(("spoil", "words"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_what_cannot_be_proven_is_red_and_says_why(toy: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(toy)
    course = prove(toy)
    assert not course.proven
    assert course.failed is not None
    assert words in course.failed.sentence


def test_counts_accumulate_until_an_input_changes(toy: Path) -> None:
    catalogue = Catalogue(toy)
    subject = Campaign(catalogue, []).subject(ID)
    course = Course(ID)
    first = record.record(catalogue, subject, course, None)
    old = {"red_given_fault": {"red": 3, "runs": 4}, "red_given_healthy": {"red": 0, "runs": 7}}
    kept = record.record(catalogue, subject, course, first | {"likelihoods": old})
    assert kept["likelihoods"] == old
    alter(guide(toy), "quick to break", "easy to break")
    anew = record.record(catalogue, subject, course, first | {"likelihoods": old})
    assert anew["likelihoods"]["red_given_fault"] == {"red": 0, "runs": 0}


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    assert record.read(path) is None
    path.write_text("{")
    assert record.read(path) is None
    path.write_text(json.dumps({"schema": "plumbline.proof/0"}))
    assert record.read(path) is None
