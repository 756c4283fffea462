"""Versions of a model as people have them: random forests by scikit-learn, registered as ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from plumbline.deployment.models import Hints, pack
from plumbline.deployment.registry.store import Registry

MODEL = "forest"
FEATURES = tuple(f"x{number}" for number in range(30))


@dataclass(frozen=True)
class Version:
    """A registered version.

    Args:
        version: Its number.
        digest: Its manifest's.
        label: How the server names it in `x-model-version`.
        bytes: Of its model file.
    """

    version: str
    digest: str
    label: str
    bytes: int


def fitted(seed: int, trees: int) -> tuple[Any, tuple[Any, tuple[str, ...]]]:
    """Return a forest, and the rows it was trained on."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(1_500, len(FEATURES)))
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(0, 0.5, len(rows)) > 0).astype(int)
    forest = RandomForestClassifier(trees, max_depth=8, random_state=seed, n_jobs=1).fit(rows, labels)
    return forest, (rows, FEATURES)


def registered(folder: Path, count: int = 2, trees: int = 100) -> list[Version]:
    """Register so many forests in `folder/registry` and return them."""
    found = []
    with Registry.open(folder / "registry") as registry:
        for seed in range(count):
            forest, sample = fitted(seed, trees)
            manifest, files = pack(
                forest, sample, model=MODEL, folder=folder / f"packed-{seed}", hints=Hints(), format="onnx"
            )
            one = registry.register(manifest, files, by="benchmark")
            label = f"{one.version}+{one.digest.removeprefix('sha256:')[:12]}"
            found.append(Version(one.version, one.digest, label, sum(file.size for file in manifest.files)))
    return found


def request(rows: int = 1) -> dict[str, Any]:
    """Return a request of the Open Inference Protocol."""
    values = np.random.default_rng(9).normal(size=(rows, len(FEATURES)))
    data = {"name": "rows", "datatype": "FP64", "shape": list(values.shape), "data": values.ravel().tolist()}
    return {"inputs": [data | {"parameters": {"columns": list(FEATURES)}}]}
