"""Relevance on the real handbook: it may not fall, and the hybrid must be worth its model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue
from plumbline_search import evaluate, judged, material, relevance, systems
from plumbline_search.build import build
from plumbline_search.cache import FILE
from plumbline_search.embed import OnnxEmbedder
from plumbline_search.engine import Engine
from plumbline_search.relevance import Outcome
from plumbline_search.service import Service
from plumbline_search.weights import weights

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]  # hundreds of queries on a machine that may be busy
ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue(ROOT)


@pytest.fixture(scope="module")
def real_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real handbook, indexed now; embeddings that the checkout has already are taken from there."""
    home = tmp_path_factory.mktemp("real-index")
    for cache in (ROOT / ".plumbline/index").glob(f"*/{FILE}"):
        shutil.copy(cache, home / FILE)
    build(CATALOGUE, home=home, embedder=OnnxEmbedder)
    service = Service(CATALOGUE, home=home)
    service.load()
    assert service.mode == "hybrid", service.state.notice
    return service


@pytest.fixture(scope="module")
def engine(real_service: Service) -> Engine:
    return evaluate.hybrid_engine(real_service)


@pytest.fixture(scope="module")
def outcomes(engine: Engine) -> dict[str, list[Outcome]]:
    return evaluate.compare(engine, judged.load(), weights())


def test_success_has_not_fallen_below_what_was_recorded(outcomes: dict[str, list[Outcome]]):
    before: dict[str, bool] = json.loads(evaluate.RESULTS.read_text(encoding="utf-8"))["successes"]
    now = {one.judged.query: one.first for one in outcomes[systems.HYBRID] if one.judged.want is not None}
    assert set(before) == set(now), "queries.yml was changed: record anew with deploy/bench.sh --record"
    lost = [query[:70] for query, first in before.items() if first and not now[query]]
    assert not relevance.fell(list(before.values()), [now[query] for query in before]), lost


def test_the_hybrid_beats_each_half_alone(outcomes: dict[str, list[Outcome]]):
    told = {name: relevance.figures(every) for name, every in outcomes.items()}
    hybrid = told[systems.HYBRID]
    for half in (systems.BM25, systems.DENSE):
        assert hybrid.success_at_1 > told[half].success_at_1, half
        assert hybrid.mrr > told[half].mrr, half


def test_few_queries_without_a_guide_are_answered(outcomes: dict[str, list[Outcome]]):
    told = relevance.figures(outcomes[systems.HYBRID])
    assert told.false_answers <= 0.22  # 4 % with five guides, 21 % with 41: see search/README.md
    assert told.answered_right >= 0.7


@pytest.mark.parametrize("identity", ["streaming.slow-consumer", "host.oom-killed"])
def test_a_declared_signature_finds_its_own_guide(engine: Engine, identity: str):
    page = next(page for page in engine.corpus.pages if page.id == identity)
    for signature in page.signatures:
        found = engine.answer(signature.example)
        assert found.results, signature.example
        assert found.results[0].id == identity, signature.example


def test_every_declared_signature_matches_its_example(engine: Engine):
    for number, page in enumerate(engine.corpus.pages):
        for signature in page.signatures:
            assert number in engine.signatures.search(signature.example).found, signature.pattern
    assert engine.signatures.broken == []


def test_the_evaluation_prints_records_and_tunes(
    real_service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(evaluate, "Service", lambda _: real_service)
    monkeypatch.setattr(evaluate, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(evaluate, "WEIGHTS", tmp_path / "weights.json")
    some = [one for number, one in enumerate(judged.load()) if number % 12 < 2]  # enough of every register and kind
    monkeypatch.setattr(judged, "load", lambda: some)
    options = ["--catalogue", str(ROOT), "--no-site", "--record", "--tune", "--misses"]
    assert evaluate.main(options) == 0
    printed = capsys.readouterr().out
    for said in ("complaint:", "hybrid", "BM25 alone", "dense alone", "false answers", "p99", "a fresh process"):
        assert said in printed
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["relevance"]["hybrid"]["all"]["n"] == sum(one.want is not None for one in some)
    assert told["timing"]["start"]["torch"] is False
    assert set(json.loads((tmp_path / "weights.json").read_text())["kinds"]) == {"question", "error", "log"}


def test_the_hybrid_beats_the_sites_own_search(engine: Engine, outcomes: dict[str, list[Outcome]]):
    site = ROOT / "site"
    if not (site / "index.html").is_file():
        pytest.fail("the site is not built: make site")
    ours = relevance.figures(outcomes[systems.HYBRID])
    for keywords in (False, True):
        # In a thread: Playwright refuses where a test before it left an event loop.
        with ThreadPoolExecutor(1) as thread:
            answers = thread.submit(material.run, site, engine.corpus, judged.load(), keywords=keywords).result()
        theirs = relevance.figures(answers)
        assert 0 < theirs.success_at_1 < ours.success_at_1
        assert theirs.mrr < ours.mrr


def test_without_a_site_its_search_is_said_to_be_missing(engine: Engine, tmp_path: Path):
    with pytest.raises(material.SiteSearchError, match="make site"):
        material.run(tmp_path, engine.corpus, judged.load())


def test_an_evaluation_without_an_index_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path))
    assert evaluate.main(["--catalogue", str(ROOT), "--no-site"]) == 2
    assert "plumb index" in capsys.readouterr().err
