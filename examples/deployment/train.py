"""Train a churn model with scikit-learn and leave it as a candidate: ONNX, contract, golden rows, recorded answers."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plumbline.deployment.core.manifest import Lineage
from plumbline.deployment.models import Hints, pack
from plumbline.deployment.pipeline.candidate import leave
from plumbline.deployment.pipeline.rows import digest


def read(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return features by name and labels."""
    table = np.genfromtxt(path, delimiter=",", names=True)
    names = [name for name in table.dtype.names if name != "churned"]
    return {name: table[name] for name in names}, table["churned"].astype(np.int64)


def main(data: Path, holdout: Path, folder: Path, strength: float) -> None:
    """Train, convert, compare with scikit-learn, and write the candidate's folder."""
    columns, left = read(data)
    names = list(columns)
    matrix = np.column_stack([columns[name] for name in names])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(matrix, left)
    unseen, gone = read(holdout)
    chance = model.predict_proba(np.column_stack([unseen[name] for name in names]))[:, 1]
    ranges = {"tenure_months": (0, 240), "monthly_fee": (0, 500), "tickets": (0, 200), "last_login_days": (0, 3650)}
    manifest, _ = pack(
        model,
        (matrix, names),
        model="churn",
        folder=folder,
        hints=Hints(ranges=ranges),
        format="onnx",
        lineage=Lineage(data=digest(data)),
        metrics={"roc_auc": float(roc_auc_score(gone, chance))},  # `drop.roc_auc` of a retraining
        card="Will this customer leave within a month? Trained on synthetic customers; an example.",
    )
    rows = {name: values[:200] for name, values in columns.items()}
    answers = {"label": model.predict(matrix[:200]), "probabilities": model.predict_proba(matrix[:200])}
    written = leave(folder, manifest, (rows, answers))
    print(f"left {written.format} model of {len(names)} features in {folder}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("data/train.csv"))
    arguments.add_argument("--holdout", type=Path, default=Path("data/holdout.csv"), help="rows to measure it on")
    arguments.add_argument("--folder", type=Path, default=Path("build/model"))
    arguments.add_argument("--strength", type=float, default=1.0, help="inverse of the regularisation")
    chosen = arguments.parse_args()
    main(chosen.data, chosen.holdout, chosen.folder, chosen.strength)
