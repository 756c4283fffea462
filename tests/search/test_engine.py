"""What is answered, and what is shown of it."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.catalogue import Catalogue
from plumbline_search.engine import Engine
from plumbline_search.opening import from_catalogue
from plumbline_search.service import Service
from plumbline_search.vectors import Dense, DimensionError, flat_index


@pytest.fixture
def engine(service: Service) -> Engine:
    assert service.state.engine is not None
    return service.state.engine


def test_a_symptom_finds_its_guide_at_its_heading(engine: Engine):
    answer = engine.answer("memory of the gateway keeps growing and all clients stall")
    best = answer.results[0]
    assert (best.id, best.page_kind, answer.mode) == ("streaming.slow-consumer", "guide", "hybrid")
    assert best.url == "/troubleshooting/streaming/slow-consumer/#symptom"
    assert best.breadcrumb == ("One slow consumer stalls everybody",)
    assert best.diagnostic == "streaming.slow-consumer"
    assert best.proven_at == "2026-11-20T10:00:00+00:00"


def test_a_result_says_why_it_was_found(engine: Engine):
    best = engine.answer("memory of the gateway keeps growing").results[0]
    assert {"lexical", "dense", "guide"} <= set(best.why.lanes)
    assert best.score == pytest.approx(sum(best.why.lanes.values()), abs=1e-3)
    assert {"memory", "growing", "gateway"} <= set(best.why.terms)
    assert any(best.snippet[start:end].lower() == "memory" for start, end in best.highlights)


def test_a_declared_log_line_is_certain_and_is_shown(engine: Engine):
    log = (
        "2026-11-20 INFO hello\n2026-11-20 WARN outbound queue full connection=188 queued_bytes=9\n2026-11-20 INFO bye"
    )
    answer = engine.answer(log)
    assert (answer.kind, answer.confidence) == ("log", 1.0)
    assert answer.results[0].id == "streaming.slow-consumer"
    assert answer.results[0].why.signature == "2026-11-20 WARN outbound queue full connection=188 queued_bytes=9"


def test_an_unrelated_query_has_no_guide_and_gets_a_question_back(engine: Engine):
    answer = engine.answer("certificate expired in the browser of my grandmother")
    assert answer.no_guide
    assert answer.results == []
    assert "component" in (answer.ask or "")
    assert len(answer.nearest) <= 3


def test_a_misspelt_word_is_corrected_only_if_it_has_no_hit(engine: Engine):
    answer = engine.answer("slow consummer holds gateway memory")
    assert answer.corrected == "slow consumer holds gateway memory"
    assert answer.results[0].id == "streaming.slow-consumer"
    assert engine.answer("slow consumer holds memory").corrected is None


def test_a_quoted_phrase_is_literal(engine: Engine):
    found = engine.answer('"Set the overflow policy"')
    assert {result.id for result in found.results or found.nearest} == {"streaming.slow-consumer"}
    assert (found.results or found.nearest)[0].heading == "Bound the queue"
    absent = engine.answer('"policy the overflow set"')
    assert absent.no_guide
    assert "word for word" in (absent.ask or "")
    assert absent.nearest == []


def test_quotes_in_a_line_with_a_known_signature_are_part_of_it(engine: Engine):
    answer = engine.answer('outbound queue full connection=17 for "peer-9" which no page names')
    assert answer.results[0].id == "streaming.slow-consumer"
    assert answer.confidence == 1.0


def test_a_reference_page_is_found_by_its_subject(engine: Engine):
    assert engine.answer("queue_max_bytes limit of the outbound queue").results[0].id == "reference/settings"


def test_the_same_query_gives_the_same_answer(engine: Engine):
    one, two = (engine.answer("too many open files").to_dict() for _ in range(2))
    assert {**one, "took_ms": 0} == {**two, "took_ms": 0}


def test_without_embeddings_the_answer_is_lexical(catalogue: Catalogue):
    answer = from_catalogue(catalogue).answer("memory of the gateway keeps growing and all clients stall")
    assert answer.mode == "lexical"
    assert answer.results[0].id == "streaming.slow-consumer"
    assert "dense" not in answer.results[0].why.lanes


def test_no_more_results_than_asked_for(engine: Engine):
    assert len(engine.answer("gateway queue connection", limit=1).results) <= 1


def test_a_signature_that_takes_too_long_is_reported(catalogue: Catalogue):
    record = catalogue.root / "kb/streaming/fd-exhaustion/problem.yml"
    record.write_text(record.read_text().replace("'\\[Errno 24\\] Too many open files'", "'(a|aa)+$'"))
    answer = from_catalogue(catalogue).answer("gateway memory grows " + "a" * 80 + "!")
    assert "1 log signature(s) were not tried" in (answer.notice or "")


def test_an_embedding_of_another_dimension_is_refused():
    dense = Dense(flat_index(np.eye(3, 4, dtype=np.float32)), np.arange(3), np.array([0, 0, 1]), 2)
    with pytest.raises(DimensionError, match="5 dimensions, but the index has 4"):
        dense.score(np.ones(5, dtype=np.float32))


def test_a_page_scores_as_its_best_chunk():
    dense = Dense(flat_index(np.eye(3, 3, dtype=np.float32)), np.arange(3), np.array([0, 0, 1]), 2)
    pages, sections = dense.score(np.array([0.1, 0.9, 0.2], dtype=np.float32))
    assert np.allclose(pages, [0.9, 0.2])
    assert np.allclose(sections, [0.1, 0.9, 0.2])
