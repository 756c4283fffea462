"""Embeddings by ONNX Runtime: the packaged graph over the checked weights, on one thread, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plumbline_search.model import DIMENSION, TOKENS, ModelError, ModelFiles
from plumbline_search.vectors import Vectors

GRAPH = Path(__file__).resolve().parent / "minilm-l6-v2.onnx"
BATCH = 16
_TRANSPOSED = ".T"


class OnnxEmbedder:
    """Embeds texts as sentence-transformers does with the same weights (cosine 0.9999 or more is a test).

    Args:
        files: The checked model.
        graph: The exported graph.

    Raises:
        ModelError: ONNX Runtime is not installed, or graph and weights do not fit.
    """

    name = "onnxruntime"

    def __init__(self, files: ModelFiles, graph: Path = GRAPH) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ModelError(
                f"embeddings need a package that is not installed ({error.name}): pip install 'plumbline[search]'"
            ) from None
        self._tokenizer: Any = Tokenizer.from_file(str(files.tokenizer))
        # The file brings its own: cut at 128 tokens, padded to a fixed length.
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.no_padding()
        self._session: Any = _session(onnxruntime, files, graph)

    def embed(self, text: str) -> Vectors:
        """Return the normalised embedding of one text, shape (384,)."""
        first: Vectors = self._run([self._tokenizer.encode(text)])[0]
        return first

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """Return the embeddings of several texts, shape (n_texts, 384)."""
        found = [
            self._run(self._tokenizer.encode_batch(list(texts[start : start + BATCH])))
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(found) if found else np.zeros((0, DIMENSION), dtype=np.float32)

    def _run(self, encoded: list[Any]) -> Vectors:
        width = max(len(one.ids) for one in encoded)
        ids = np.zeros((len(encoded), width), dtype=np.int64)
        mask = np.zeros((len(encoded), width), dtype=np.int64)
        for row, one in enumerate(encoded):
            ids[row, : len(one.ids)] = one.ids
            mask[row, : len(one.ids)] = 1
        result: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return result


def _session(onnxruntime: Any, files: ModelFiles, graph: Path) -> Any:
    from safetensors.numpy import load_file

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    weights = load_file(files.weights)
    for name, value in list(weights.items()):
        if value.ndim == 2:
            weights[name + _TRANSPOSED] = value.T
    try:
        content = graph.read_bytes()
        names = [name for name in weights if _initializer(name) in content]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name])) for name in names]
        options.add_external_initializers(names, values)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime raises types of its own without a common base
        raise ModelError(
            f"{graph.name}: the graph cannot be run over {files.weights} ({str(error).splitlines()[0][:200]})"
        ) from None


def _initializer(name: str) -> bytes:
    """Return how protobuf writes a tensor's name (field 8, length, text): the graph says which weights it wants."""
    return bytes([8 << 3 | 2, len(name)]) + name.encode()
