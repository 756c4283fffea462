"""A logistic regression, and files of models that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.manifest import File, Golden, Manifest
from plumbline.deployment.models import infer

RANDOM = np.random.default_rng(0)


X = RANDOM.normal(size=(60, 2))


SAMPLE = (X, ["a", "b"])


LOGISTIC = LogisticRegression().fit(X, X[:, 0] > X[:, 1])


SIGNATURE = infer(LOGISTIC, SAMPLE)


def written(folder: Path, data: bytes, name: str = "model.onnx") -> Manifest:
    """A manifest that says these bytes are the model, as somebody would register them."""
    (folder / name).write_bytes(data)
    return manifest_of(File(name, digest_of(data), len(data)))


def manifest_of(file: File) -> Manifest:
    return Manifest(
        "m", "skops" if file.path.endswith("skops") else "onnx", file.path, (file,), SIGNATURE, Golden({}, {})
    )
