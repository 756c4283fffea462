"""What cannot be proven is red and says why; and what a record keeps of a proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue, CatalogueError
from plumbline.lab.proof import record
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.course import Course

from .toy_catalogue import ID, alter, diagnostic, failure, fault, guide, problem, prove


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
