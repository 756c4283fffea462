"""A small problem of its own for the prover, its files, and how each is spoilt."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from plumbline.catalogue import Catalogue
from plumbline.diagnosis.runner import Runner
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.course import Course
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.prove import Prover

TOY = Path(__file__).parent / "toy"
ID = "streaming.message-too-big"
# Short for what must not come; what must come ends its phase by itself.
BRIEF = Patience(begin_s=0.5, felt_s=4.0, stretch=0.3, hold_s=0.6, hold_runs=2, decoy_s=1.0)
LONG = replace(BRIEF, felt_s=60.0, stretch=4.0)


def finds_it(query: str, *, catalogue: Catalogue, limit: int) -> list[dict[str, object]]:
    return [{"id": "streaming.another"}, {"id": ID}]


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
