from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue
from plumbline_search.corpus import Corpus
from plumbline_search.reading import EmptyCorpusError, fingerprint, read


def test_a_guide_its_record_and_its_diagnostic_make_one_page(catalogue: Catalogue):
    pages = {page.id: page for page in read(catalogue).corpus.pages}
    assert set(pages) == {"reference/settings", "streaming.fd-exhaustion", "streaming.slow-consumer"}
    slow = pages["streaming.slow-consumer"]
    assert (slow.kind, slow.url) == ("guide", "/troubleshooting/streaming/slow-consumer/")
    assert slow.diagnostic == "streaming.slow-consumer"
    assert {section.source for section in slow.sections} == {"guide", "problem", "diagnostic"}


def test_the_held_out_paraphrases_are_nowhere_in_the_corpus(catalogue: Catalogue):
    text = read(catalogue).corpus.to_json()
    assert "xylophone" not in text
    assert "zeppelin" not in text
    assert "live feed freezes" in text


def test_a_records_symptoms_link_to_the_guides_symptom_and_its_causes_to_their_headings(catalogue: Catalogue):
    slow = next(page for page in read(catalogue).corpus.pages if page.id == "streaming.slow-consumer")
    symptoms, cause = (section for section in slow.sections if section.source == "problem")
    assert (symptoms.anchor, cause.anchor) == ("symptom", "bound-the-queue")
    assert "The live feed freezes for all users at the same time." in symptoms.sentences


def test_a_diagnostic_links_to_where_its_guide_runs_it(catalogue: Catalogue):
    slow = next(page for page in read(catalogue).corpus.pages if page.id == "streaming.slow-consumer")
    section = next(section for section in slow.sections if section.source == "diagnostic")
    assert section.anchor == "run-the-diagnostic"
    assert section.heading == "Is one slow consumer holding memory?"


def test_a_proven_guide_says_when_and_another_says_nothing(catalogue: Catalogue):
    pages = {page.id: page for page in read(catalogue).corpus.pages}
    assert pages["streaming.slow-consumer"].proven_at == "2026-11-20T10:00:00+00:00"
    assert pages["streaming.fd-exhaustion"].proven_at is None


def test_a_diagnostic_or_a_record_without_a_guide_is_a_page_of_its_own(catalogue: Catalogue):
    (catalogue.root / "docs/troubleshooting/streaming/fd-exhaustion.md").unlink()
    pages = {page.id: page.kind for page in read(catalogue).corpus.pages}
    assert pages["streaming.fd-exhaustion"] == "problem"
    (catalogue.root / "kb/streaming/fd-exhaustion/problem.yml").unlink()
    pages = {page.id: page.kind for page in read(catalogue).corpus.pages}
    assert pages["streaming.fd-exhaustion"] == "diagnostic"


def test_a_broken_record_is_complained_of_and_the_rest_is_read(catalogue: Catalogue):
    (catalogue.root / "kb/streaming/fd-exhaustion/problem.yml").write_text("id: [", encoding="utf-8")
    reading = read(catalogue)
    assert any("fd-exhaustion/problem.yml" in complaint for complaint in reading.complaints)
    assert len(reading.corpus.pages) == 3


def test_a_page_that_asks_not_to_be_searched_is_left_out(catalogue: Catalogue):
    (catalogue.root / "docs/hidden.md").write_text(
        "---\nsearch:\n  exclude: true\n---\n# Hidden\n\ntext\n", encoding="utf-8"
    )
    assert "hidden" not in {page.id for page in read(catalogue).corpus.pages}


def test_an_empty_catalogue_is_an_error(tmp_path: Path):
    with pytest.raises(EmptyCorpusError, match="holds no guide"):
        read(Catalogue(tmp_path))


def test_a_corpus_survives_being_written_and_read(catalogue: Catalogue):
    corpus = read(catalogue).corpus
    again = Corpus.from_json(corpus.to_json())
    assert again == corpus
    assert again.digest == corpus.digest


def test_text_that_is_no_corpus_is_refused():
    with pytest.raises(ValueError, match="cannot be read"):
        Corpus.from_json('[{"id": "x"}]')


def test_the_fingerprint_changes_with_content_and_not_with_time(catalogue: Catalogue):
    before = fingerprint(catalogue)
    page = catalogue.root / "docs/reference/settings.md"
    page.touch()
    assert fingerprint(catalogue) == before
    page.write_text(page.read_text() + "\nmore\n")
    assert fingerprint(catalogue) != before
