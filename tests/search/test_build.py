"""The index: built once, in parts when something changes, and never half."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plumbline.catalogue import Catalogue
from plumbline_search import build as building
from plumbline_search import store
from plumbline_search.build import Built
from plumbline_search.cache import FILE, EmbeddingCache
from plumbline_search.model import WEIGHTS_SHA256, ModelError
from plumbline_search.opening import from_index, with_dense
from plumbline_search.reading import EmptyCorpusError

Rebuild = Callable[..., Built]

# Dies by SIGKILL at the n-th call of one function, while it builds.
KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[5])
from conftest import WordEmbedder
from plumbline.catalogue import Catalogue
from plumbline_search import build, cache, store
where, count = sys.argv[3], int(sys.argv[4])
owner, name = {"embed": (WordEmbedder, "embed_all"), "cache": (cache.EmbeddingCache, "put"), "write": (build, "_write"),
    "checksum": (store, "checksum"), "sync": (store, "_sync"), "rename": (pathlib.Path, "rename"),
    "pointer": (pathlib.Path, "replace"), "collect": (store, "collect")}[where]
real = getattr(owner, name)
def deadly(*given, **named):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(owner, name, deadly)
build.build(Catalogue(pathlib.Path(sys.argv[1])), home=pathlib.Path(sys.argv[2]), embedder=lambda _: WordEmbedder())
"""


def change(catalogue: Catalogue, text: str = "\n## New\n\nA section about backpressure.\n") -> None:
    page = catalogue.root / "docs/reference/settings.md"
    page.write_text(page.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_an_index_says_what_it_was_made_of(rebuild: Rebuild):
    built = rebuild()
    told = built.manifest
    assert (told.pages, told.model_sha256, told.dimension) == (3, WEIGHTS_SHA256, 384)
    assert told.embedded_by == {"hashed words": told.chunks}
    assert built.embedded == told.chunks > told.sections
    assert set(told.files) >= {"pages.json", "chunks.npy", "vectors.faiss"}


def test_nothing_is_done_when_nothing_changed(rebuild: Rebuild, embedder):
    first = rebuild()
    count = len(embedder.embedded)
    second = rebuild()
    assert not second.fresh
    assert second.folder == first.folder
    assert len(embedder.embedded) == count


def test_only_what_changed_is_embedded(rebuild: Rebuild, catalogue: Catalogue, embedder):
    rebuild()
    embedder.embedded.clear()
    change(catalogue)
    assert rebuild().embedded == 1
    assert embedder.embedded == ["Settings of the gateway > New\nA section about backpressure."]


def test_what_is_gone_is_forgotten(rebuild: Rebuild, catalogue: Catalogue, home: Path):
    first = rebuild()
    change(catalogue)
    second = rebuild()
    (catalogue.root / "docs/reference/settings.md").write_text("# Settings\n\nGone.\n", encoding="utf-8")
    third = rebuild()
    assert first.manifest.chunks + 1 == second.manifest.chunks > third.manifest.chunks
    import sqlite3

    with sqlite3.connect(home / FILE) as database:
        (kept,) = database.execute("SELECT count(*) FROM embedding").fetchone()
    assert kept <= third.manifest.chunks


def test_equal_content_has_an_equal_name_and_old_folders_are_collected(
    rebuild: Rebuild, catalogue: Catalogue, home: Path
):
    names = []
    for number in range(4):
        change(catalogue, f"\n## More {number}\n\ntext {number}\n")
        names.append(rebuild().folder)
    again = rebuild(rebuild=True)
    assert again.folder.name.partition("-")[0] == names[-1].name.partition("-")[0]
    assert len([path for path in home.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("embed", 0),
        ("cache", 0),
        ("write", 0),
        ("checksum", 3),
        ("sync", 0),
        ("rename", 0),
        ("sync", 14),
        ("pointer", 0),
    ],
)
def test_a_build_that_is_killed_leaves_the_old_index_good(
    rebuild: Rebuild, catalogue: Catalogue, home: Path, embedder, where: str, count: int
):
    old = rebuild()
    change(catalogue)
    died = _build_and_die(catalogue, home, where, count)
    assert died == -signal.SIGKILL
    assert store.current(home) == old.folder
    opened = from_index(home)
    engine = with_dense(opened, embedder.embed, WEIGHTS_SHA256, 384)
    assert engine.answer("memory of the gateway keeps growing").results[0].id == "streaming.slow-consumer"
    new = rebuild()
    assert new.fresh
    assert "New" in from_index(home).engine.corpus.to_json()
    assert not list(home.glob("partial-*"))


def test_a_build_that_is_killed_behind_the_last_rename_has_made_the_new_index_current(
    rebuild: Rebuild, catalogue: Catalogue, home: Path
):
    old = rebuild()
    change(catalogue)
    assert _build_and_die(catalogue, home, "collect", 0) == -signal.SIGKILL
    assert store.current(home) != old.folder
    assert not rebuild().fresh


def _build_and_die(catalogue: Catalogue, home: Path, where: str, count: int) -> int:
    arguments = [str(catalogue.root), str(home), where, str(count), str(Path(__file__).parent)]
    return subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, timeout=60).returncode


def test_two_builds_at_once_are_refused(rebuild: Rebuild, home: Path):
    home.mkdir(parents=True)
    with (home / store.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(store.IndexBusyError, match="another process"):
            rebuild()


def test_an_embedder_that_returns_the_wrong_shape_makes_no_index(rebuild: Rebuild, home: Path, embedder):
    embedder.embed_all = lambda texts: np.zeros((len(texts), 12), dtype=np.float32)
    with pytest.raises(ModelError, match=r"\(\d+, 12\)"):
        rebuild()
    with pytest.raises(store.IndexMissingError):
        store.current(home)


def test_an_empty_catalogue_makes_no_index(tmp_path: Path):
    with pytest.raises(EmptyCorpusError):
        building.build(Catalogue(tmp_path), home=tmp_path / "index")


def test_without_the_model_the_index_is_lexical_and_is_made_anew_when_the_model_comes(
    rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as without:
        without.setattr(building, "can_embed", lambda: False)
        lexical = rebuild()
        assert lexical.manifest.model_sha256 is None
        assert "plumbline[search]" in (lexical.notice or "")
        assert not rebuild().fresh
    assert rebuild().manifest.model_sha256 == WEIGHTS_SHA256


def test_a_damaged_cache_is_made_anew(rebuild: Rebuild, catalogue: Catalogue, home: Path):
    rebuild()
    (home / FILE).write_bytes(b"this is no database, and it is long enough to be read as one" * 20)
    change(catalogue)
    assert rebuild().embedded > 1


def test_the_cache_keeps_models_apart(tmp_path: Path):
    vector = np.arange(4, dtype=np.float32)
    EmbeddingCache(tmp_path / "c", "one").put({"text": vector}, "test")
    assert EmbeddingCache(tmp_path / "c", "two").get(["text"]) == {}
    found, made_by = EmbeddingCache(tmp_path / "c", "one").get(["text", "other"])["text"]
    assert found.tolist() == vector.tolist()
    assert made_by == "test"


# --- what must not be used is refused, with one sentence


def _edit(home: Path, **fields: object) -> None:
    path = store.current(home) / store.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_changed_file_is_refused(rebuild: Rebuild, home: Path):
    rebuild()
    pages = store.current(home) / "pages.json"
    pages.write_text(pages.read_text().replace("freezes", "melts"))
    with pytest.raises(store.IndexBrokenError, match=r"pages\.json: its checksum"):
        from_index(home)


def test_a_missing_file_is_refused(rebuild: Rebuild, home: Path):
    rebuild()
    (store.current(home) / "vectors.faiss").unlink()
    with pytest.raises(store.IndexBrokenError, match=r"vectors\.faiss: is missing"):
        from_index(home)


def test_another_layout_is_refused(rebuild: Rebuild, home: Path):
    rebuild()
    _edit(home, schema="plumbline.index/0")
    with pytest.raises(store.IndexBrokenError, match=r"plumbline\.index/0"):
        from_index(home)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "plumbline.index/1"}'])
def test_a_manifest_that_cannot_be_read_is_refused(rebuild: Rebuild, home: Path, content: str):
    rebuild()
    (store.current(home) / store.MANIFEST).write_text(content)
    with pytest.raises(store.IndexBrokenError):
        from_index(home)


@pytest.mark.parametrize("content", ["", "gone-123", "../elsewhere"])
def test_a_pointer_that_leads_nowhere_is_refused(rebuild: Rebuild, home: Path, content: str):
    rebuild()
    (home / store.CURRENT).write_text(content)
    with pytest.raises(store.IndexBrokenError, match="names no index"):
        from_index(home)


def test_an_index_of_another_model_or_dimension_is_refused(rebuild: Rebuild, home: Path, embedder):
    rebuild()
    opened = from_index(home)
    with pytest.raises(store.IndexBrokenError, match="embedded by the model 53aa51172d14"):
        with_dense(opened, embedder.embed, "f" * 64, 384)
    with pytest.raises(store.IndexBrokenError, match="384 dimensions, but the model has 768"):
        with_dense(opened, embedder.embed, WEIGHTS_SHA256, 768)


def test_vectors_that_are_no_index_are_refused(rebuild: Rebuild, home: Path, embedder):
    rebuild()
    opened = from_index(home)
    (opened.folder / "vectors.faiss").write_bytes(b"nonsense")
    with pytest.raises(store.IndexBrokenError, match="no FAISS index"):
        with_dense(opened, embedder.embed, WEIGHTS_SHA256, 384)


def test_parts_of_different_indexes_are_refused(rebuild: Rebuild, home: Path, embedder):
    rebuild()
    opened = from_index(home)
    np.save(opened.folder / "chunks.npy", np.array([0, 1]))
    with pytest.raises(store.IndexBrokenError, match="do not fit"):
        with_dense(opened, embedder.embed, WEIGHTS_SHA256, 384)


def test_no_index_is_said_to_be_missing(home: Path):
    with pytest.raises(store.IndexMissingError, match="plumb index"):
        from_index(home)
