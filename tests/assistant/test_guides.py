"""Guides as assistants read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plumbline.assistant.guides import read
from plumbline.catalogue import Catalogue
from plumbline.handbook import Proof, load

if TYPE_CHECKING:
    from conftest import Assistant

MARKDOWN = """\
# The answer is slow {#the-answer-is-slow}

## Symptom {#symptom}

It takes a day.

## Fix { #mend }

Diagnostic `host.quick`: Is the answer quick? (run_diagnostic runs it)

Problem `host.quick`: The answer is slow

Causes:

- `tired`: It is tired (it yawns)

Proof: there is none on record.
"""


def test_headings_carry_their_anchors_and_blocks_are_told_in_words(small: Assistant) -> None:
    guide = small.answer("read_guide", id="host.quick")
    assert guide["markdown"] == MARKDOWN
    assert [heading["anchor"] for heading in guide["headings"]] == ["the-answer-is-slow", "symptom", "mend"]
    assert guide["proven_at"] is None


def test_a_proven_guide_says_when(catalogue: Catalogue) -> None:
    handbook = load(catalogue)
    proof = Proof.model_construct(proven=True, proven_at=datetime(2026, 5, 4, 12, tzinfo=UTC))
    guide = read(replace(handbook, proofs={"host.quick": proof}, problems={}), "host.quick")
    assert guide.proven_at == "2026-05-04T12:00:00+00:00"
    assert "mended as this guide says, on 2026-05-04." in guide.markdown
    assert "\nProblem `host.quick`\n" in guide.markdown
