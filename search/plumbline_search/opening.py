"""Open an engine: from an index folder, or lexically from the catalogue as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.catalogue import Catalogue
from plumbline_search import store
from plumbline_search.build import CHUNKS, LEXICON, PAGES, VECTORS
from plumbline_search.corpus import Corpus
from plumbline_search.engine import Embed, Engine
from plumbline_search.lexical import Lexicon
from plumbline_search.reading import read
from plumbline_search.vectors import Dense, read_index
from plumbline_search.weights import weights


@dataclass(frozen=True, slots=True)
class Opened:
    """An index, checked and read.

    Args:
        folder: Where it lies.
        manifest: What it says of itself.
        engine: Answers lexically; `with_dense` makes it hybrid.
    """

    folder: Path
    manifest: store.Manifest
    engine: Engine


def from_catalogue(catalogue: Catalogue) -> Engine:
    """Index a catalogue in memory for lexical answers.

    Raises:
        plumbline_search.reading.EmptyCorpusError: There is nothing to search.
    """
    corpus = read(catalogue).corpus
    return Engine(corpus, Lexicon.of(corpus), weights())


def from_index(home: Path) -> Opened:
    """Open the current index for lexical answers.

    Raises:
        plumbline_search.store.IndexMissingError: There is none.
        plumbline_search.store.IndexBrokenError: It must not be used.
    """
    folder = store.current(home)
    manifest = store.read_manifest(folder)
    store.verify(folder, manifest)
    try:
        corpus = Corpus.from_json((folder / PAGES).read_text(encoding="utf-8"))
        lexicon = Lexicon.load(folder / LEXICON)
    except (OSError, ValueError, KeyError) as error:
        raise store.IndexBrokenError(
            f"{folder}: cannot be read ({error}); build the index again: plumb index --rebuild"
        ) from None
    if not corpus.pages:
        raise store.IndexBrokenError(f"{folder}: the index is empty; build it again: plumb index --rebuild")
    if lexicon.n_pages != len(corpus.pages):
        raise store.IndexBrokenError(
            f"{folder}: its parts do not fit each other; build the index again: plumb index --rebuild"
        )
    return Opened(folder, manifest, Engine(corpus, lexicon, weights()))


def with_dense(opened: Opened, embed: Embed, model_sha256: str, dimension: int) -> Engine:
    """Add the dense lane to an opened index.

    Args:
        opened: The index.
        embed: Embeds a query.
        model_sha256: Checksum of the weights that it embeds with.
        dimension: Dimension of its embeddings.

    Raises:
        plumbline_search.store.IndexBrokenError: The index has no vectors, or they are of another model or dimension.
    """
    folder, manifest, engine = opened.folder, opened.manifest, opened.engine
    if manifest.model_sha256 is None:
        raise store.IndexBrokenError("the index was built without embeddings; build it again: plumb index")
    if manifest.model_sha256 != model_sha256:
        raise store.IndexBrokenError(
            f"the index was embedded by the model {manifest.model_sha256[:12]}…, but {model_sha256[:12]}… is "
            "installed; run plumb index --rebuild"
        )
    try:
        index = read_index(folder / VECTORS)
        sections = np.load(folder / CHUNKS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise store.IndexBrokenError(
            f"{folder}: cannot be read ({error}); build the index again: plumb index --rebuild"
        ) from None
    if index.d != dimension or manifest.dimension != dimension:
        raise store.IndexBrokenError(
            f"the index has {index.d} dimensions, but the model has {dimension}; run plumb index --rebuild"
        )
    section_pages = np.array(engine.section_pages, dtype=np.int64)
    if index.ntotal != len(sections) or (len(sections) and int(sections.max()) >= len(section_pages)):
        raise store.IndexBrokenError(
            f"{folder}: its parts do not fit each other; build the index again: plumb index --rebuild"
        )
    dense = Dense(index, sections, section_pages, len(engine.corpus.pages))
    return Engine(engine.corpus, engine.lexicon, engine.weights, dense, embed)
