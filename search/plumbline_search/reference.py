"""Embeddings by sentence-transformers: the reference, used where an index is built. Needs `plumbline[index]`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

import numpy as np

from plumbline_search.model import TOKENS, ModelFiles
from plumbline_search.vectors import Vectors


class ReferenceEmbedder:
    """Embeds texts with sentence-transformers on one thread, from checked safetensors weights, without any network.

    Raises:
        ImportError: sentence-transformers or torch is not installed.
    """

    name = "sentence-transformers"

    def __init__(self, files: ModelFiles) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        torch.set_num_threads(1)
        self._model = SentenceTransformer(
            str(files.folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        self._model.max_seq_length = TOKENS

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """Return the normalised embeddings, shape (n_texts, 384)."""
        found = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(found, dtype=np.float32)


def installed() -> bool:
    """Say whether sentence-transformers and torch are installed, without importing them (that takes seconds)."""
    return all(importlib.util.find_spec(name) for name in ("sentence_transformers", "torch"))
