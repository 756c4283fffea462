"""`python -m plumbline.lab.servers.models REGISTRY VERSIONS`: register versions of the lab's model, and end."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from plumbline.deployment.models import pack
from plumbline.deployment.registry.store import Registry
from plumbline.lab.churn import MODEL, Version

AUTHOR = "lab"
_ROWS = 40


def estimator(version: Version) -> LogisticRegression:
    """Return a logistic regression that has just these coefficients, as if it were fitted."""
    found = LogisticRegression()
    found.classes_ = np.array([0, 1])
    found.coef_ = np.array([list(version.coefficients.values())])
    found.intercept_ = np.array([version.intercept])
    found.n_features_in_ = len(version.coefficients)
    found.feature_names_in_ = np.array(list(version.coefficients), dtype=object)
    return found


def sample(version: Version) -> dict[str, Any]:
    """Return rows as customers are: the same each time."""
    draws = random.Random(5)  # noqa: S311 - customers, no secret
    return {
        name: np.array([round(draws.uniform(0, 60), 1) for _ in range(_ROWS)], dtype=float)
        for name in version.coefficients
    }


def register(place: str, versions: list[Version]) -> list[str]:
    """Register versions in their order, and return their numbers."""
    numbers = []
    with Registry.open(place) as registry:
        for version in versions:
            with tempfile.TemporaryDirectory() as folder:
                manifest, files = pack(estimator(version), sample(version), model=MODEL, folder=Path(folder))
                numbers.append(registry.register(manifest, files, by=AUTHOR).version)
            if version.alias:
                before = registry.aliases(MODEL).get(version.alias)
                registry.move(MODEL, version.alias, to=numbers[-1], expect=before, by=AUTHOR, why="the lab begins")
    return numbers


if __name__ == "__main__":
    print(json.dumps(register(sys.argv[1], [Version(**one) for one in json.loads(sys.argv[2])])))
