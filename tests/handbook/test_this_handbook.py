"""This repository's own handbook holds what it promises."""

from __future__ import annotations

from plumbline.catalogue import locate
from plumbline.handbook.check import check
from plumbline.handbook.check.identities import PUBLISHED, with_new
from plumbline.handbook.load import load


def test_every_reference_in_this_handbook_holds() -> None:
    assert [str(complaint) for complaint in check(locate())] == []


def test_every_published_id_is_on_record() -> None:
    catalogue = locate()
    assert (catalogue.root / PUBLISHED).read_text("utf-8") == with_new(catalogue)


def test_no_section_of_this_handbook_holds_a_held_out_query() -> None:
    handbook = load(locate())
    texts = [
        section.text.lower()
        for page in [*handbook.guides.values(), *handbook.pages.values()]
        for section in page.sections
    ]
    held_out = [query.lower() for problem in handbook.problems.values() for query in problem.paraphrases]
    assert held_out
    assert [query for query in held_out if any(query in text for text in texts)] == []


def test_every_problem_of_this_handbook_has_a_decoy_and_a_signature() -> None:
    problems = load(locate()).problems
    assert [name for name, problem in problems.items() if not (problem.decoys and problem.signatures)] == []
