"""The search as it runs: lexical at once, hybrid when the model has loaded, and always on the newest index."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from plumbline.catalogue import Catalogue
from plumbline_search import opening, store
from plumbline_search.answers import Answer, Mode
from plumbline_search.build import can_embed
from plumbline_search.engine import Engine
from plumbline_search.kinds import Kind
from plumbline_search.model import DIMENSION, ModelError, ModelFiles, model_files
from plumbline_search.queries import checked
from plumbline_search.reading import EmptyCorpusError, fingerprint
from plumbline_search.state import index_home
from plumbline_search.suggest import Suggester
from plumbline_search.vectors import Vectors

CACHED = 512
LONGEST_CACHED = 1_000
"""Characters up to which a query's answer is kept; logs are not asked twice."""
LOOK_EVERY_S = 1.0
"""How often a running service looks for a newer index, in seconds."""
_NO_MODEL = "the embedding model is not installed; pip install 'plumbline[search]'"
LOADING = "The model is still loading: this is a lexical answer."

_log = logging.getLogger("plumbline.search")


class UnavailableError(Exception):
    """There is nothing to answer with; the sentence says why and what to do."""


class QueryEmbedder(Protocol):
    """Embeds one query."""

    def embed(self, text: str) -> Vectors:
        """Return the normalised embedding, shape (dimension,)."""


@dataclass(frozen=True, slots=True)
class State:
    """What the service answers with at one moment.

    Args:
        engine: None if there is nothing to search.
        notice: Why it is lexical only, or out of date; None if all is well.
        suggester: Completes what is being typed.
        folder: The index; None when it answers from the catalogue itself.
    """

    engine: Engine | None
    notice: str | None
    suggester: Suggester | None = None
    folder: Path | None = None


def onnx_embedder() -> tuple[QueryEmbedder, str]:
    """Load the packaged model; returns it with the checksum of its weights.

    Raises:
        ModelError: It cannot be used.
    """
    from plumbline_search.embed import OnnxEmbedder

    files: ModelFiles = model_files()
    return OnnxEmbedder(files), files.sha256


class Service:
    """Answers for one catalogue; any number of threads may ask.

    Args:
        catalogue: What is searched.
        home: Folder of its indexes.
        embedder: Loads the model; returns it with the checksum of its weights.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        home: Path | None = None,
        embedder: Callable[[], tuple[QueryEmbedder, str]] = onnx_embedder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.catalogue = catalogue
        self.home = home or index_home(catalogue)
        self._make_embedder = embedder
        self._embedder: tuple[QueryEmbedder, str] | None = None
        self._clock = clock
        self._state = State(None, LOADING)
        self._loading = threading.Lock()
        self._lexical = threading.Event()
        self._done = threading.Event()
        self._stamp: tuple[int, int, int] | None = None
        self._looked = clock()
        self._answers: OrderedDict[tuple[object, ...], Answer] = OrderedDict()
        self._answers_lock = threading.Lock()

    # -- loading

    def start(self) -> Service:
        """Load in the background; answers are lexical until it is done."""
        threading.Thread(target=self.load, name="plumbline-search-load", daemon=True).start()
        return self

    def load(self) -> None:
        """Load the newest index and the model; what goes wrong becomes the notice."""
        with self._loading:
            self._stamp = store.stamp(self.home)
            try:
                self._load()
            except Exception as error:  # noqa: BLE001 - the service goes on with what it has, and says so
                _log.exception("search could not load")
                self._set(
                    State(
                        self._state.engine,
                        f"Search could not load ({type(error).__name__}: {error}).",
                        self._state.suggester,
                    )
                )
            finally:
                self._lexical.set()
                self._done.set()

    def load_lexical(self) -> None:
        """Load what lexical answers need, and not the model.

        Raises:
            UnavailableError: There is nothing to search.
        """
        with self._loading:
            self._stamp = store.stamp(self.home)
            opened, _ = self._open()
            try:
                engine = opened.engine if opened else opening.from_catalogue(self.catalogue)
            except EmptyCorpusError as error:
                raise UnavailableError(f"There is nothing to search: {error}.") from None
            self._set(State(engine, None, Suggester(engine.corpus), opened.folder if opened else None))
            self._done.set()

    def _load(self) -> None:
        opened, notice = self._open()
        if opened is None:
            try:
                engine = opening.from_catalogue(self.catalogue)
            except EmptyCorpusError as error:
                self._set(State(None, f"There is nothing to search: {error}."))
                return
            self._set(State(engine, notice, Suggester(engine.corpus)))
            return
        previous = self._state.engine
        suggester = Suggester(opened.engine.corpus)
        if previous is None or previous.mode == "lexical":
            self._set(State(opened.engine, LOADING, suggester, opened.folder))
        engine, notice = self._hybrid(opened)
        if notice is None and opened.manifest.fingerprint != fingerprint(self.catalogue):
            notice = "The handbook changed after the index was built; bring it up to date: plumb index."
        self._set(State(engine, notice, suggester, opened.folder))

    def _open(self) -> tuple[opening.Opened | None, str | None]:
        try:
            return opening.from_index(self.home), None
        except store.IndexMissingError as error:
            if not can_embed():
                return None, f"This is a lexical answer: {_NO_MODEL}, then plumb index."
            return None, f"This is a lexical answer: {error}."
        except store.IndexBrokenError as error:
            return None, f"This is a lexical answer: {error}."

    def _hybrid(self, opened: opening.Opened) -> tuple[Engine, str | None]:
        if not can_embed() and self._make_embedder is onnx_embedder:
            return opened.engine, f"This is a lexical answer: {_NO_MODEL}."
        try:
            if self._embedder is None:
                self._embedder = self._make_embedder()
            model, checksum = self._embedder
            return opening.with_dense(opened, model.embed, checksum, DIMENSION), None
        except (ModelError, store.IndexBrokenError) as error:
            return opened.engine, f"This is a lexical answer: {error}."

    def _set(self, state: State) -> None:
        with self._answers_lock:
            self._state = state
            self._answers.clear()
        if state.engine is not None:
            self._lexical.set()

    def refresh(self) -> Service:
        """Load a newer index, if there is one, before going on."""
        if not self._done.is_set() or store.stamp(self.home) != self._stamp:
            self.load()
        return self

    def wait(self, timeout_s: float | None = None) -> Service:
        """Wait until loading has ended, well or not."""
        self._done.wait(timeout_s)
        return self

    def _look(self) -> None:
        """Load a newer index in the background, if there is one."""
        now = self._clock()
        if now - self._looked < LOOK_EVERY_S or not self._done.is_set():
            return
        self._looked = now
        if store.stamp(self.home) != self._stamp and not self._loading.locked():
            self.start()

    # -- answering

    @property
    def state(self) -> State:
        """What it answers with now."""
        return self._state

    @property
    def mode(self) -> Mode:
        """`hybrid` or `lexical`."""
        return self._state.engine.mode if self._state.engine else "lexical"

    @property
    def loaded(self) -> bool:
        """Whether loading has ended, well or not."""
        return self._done.is_set()

    def answer(
        self, query: str, *, limit: int = 10, kind: Kind | None = None, log: bool = True, require: Mode | None = None
    ) -> Answer:
        """Answer a query.

        Args:
            query: A question, an error line or a log.
            limit: Results at most.
            kind: Take it for this kind instead of telling it from its form.
            log: Whether it may be as long as a log.
            require: Refuse to answer lexically when it is `hybrid`.

        Raises:
            plumbline_search.queries.QueryError: The query is empty or too long, or the limit is out of range.
            UnavailableError: There is nothing to search, or a hybrid answer is required and cannot be had.
        """
        started = time.perf_counter()
        text = checked(query, limit, log=log)
        state = self._ready()
        engine = state.engine
        if engine is None:
            raise UnavailableError(state.notice or LOADING)
        if require == "hybrid" and engine.mode != "hybrid":
            raise UnavailableError(state.notice or LOADING)
        key = (id(engine), " ".join(text.split()) if len(text) <= LONGEST_CACHED else None, limit, kind)
        found = self._cached(key) if key[1] is not None else None
        if found is None:
            found = engine.answer(text, limit=limit, kind=kind)
            notice = " ".join(part for part in (found.notice, state.notice) if part)
            found = replace(found, notice=notice or None)
            self._keep(key, found)
        return replace(found, took_ms=round((time.perf_counter() - started) * 1000, 3))

    def suggest(self, text: str, limit: int = 8) -> list[dict[str, str]]:
        """Complete what is being typed, lexically.

        Raises:
            UnavailableError: There is nothing to search.
        """
        state = self._ready()
        if state.suggester is None:
            raise UnavailableError(state.notice or LOADING)
        return state.suggester.suggest(text, limit)

    def _ready(self) -> State:
        if not self._lexical.is_set():
            if not self._loading.locked():
                self.start()
            self._lexical.wait(timeout=30)
        self._look()
        return self._state

    def _cached(self, key: tuple[object, ...]) -> Answer | None:
        with self._answers_lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def _keep(self, key: tuple[object, ...], answer: Answer) -> None:
        with self._answers_lock:
            if key[1] is None or key[0] != id(self._state.engine):
                return
            self._answers[key] = answer
            if len(self._answers) > CACHED:
                self._answers.popitem(last=False)
