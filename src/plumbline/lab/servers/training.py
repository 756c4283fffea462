"""A small training: fits a logistic regression to the labelled rows that are there, and writes down that it ran.

`python -m plumbline.lab.servers.training FOLDER WHY`: the model is `model.json`, its time of training `trained.json`,
and each run adds a line to `trainings.jsonl`.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from pathlib import Path

_ROWS, _ROUNDS, _STEP = 200, 20, 0.5


def train(folder: Path, why: str) -> None:
    """Train on what is known now."""
    at = time.time()
    rows = _known()
    weights = [0.0, 0.0]
    for _ in range(_ROUNDS):
        for tenure, left in rows:
            error = 1 / (1 + math.exp(-weights[0] - weights[1] * tenure)) - left
            weights = [weights[0] - _STEP * error / _ROWS, weights[1] - _STEP * error * tenure / _ROWS]
    (folder / "model.json").write_text(json.dumps({"weights": weights}))
    (folder / "trained.json").write_text(json.dumps({"trained_at": at}))
    with (folder / "trainings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"at": at, "rows": len(rows), "why": why}) + "\n")


def _known() -> list[tuple[float, int]]:
    draw = random.Random(7)  # noqa: S311 - rows of a lab, the same in each
    tenures = [draw.random() for _ in range(_ROWS)]
    return [(tenure, int(draw.random() > tenure)) for tenure in tenures]


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2])
