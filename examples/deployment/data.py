"""Synthetic customers who stay or leave: the same rows for the same seed, on every machine.

Writes `data/train.csv`, `data/holdout.csv` (labelled, never trained on) and `data/recent.jsonl` (requests as callers
send them).
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

COLUMNS = ("tenure_months", "monthly_fee", "tickets", "last_login_days")


def customers(rows: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return columns by name, `(rows,)` each, and whether each customer left, 0 or 1."""
    columns = {
        "tenure_months": rng.gamma(2.0, 12.0, rows).round(1).clip(0, 240),
        "monthly_fee": rng.normal(40, 12, rows).round(2).clip(5, 200),
        "tickets": rng.poisson(0.8, rows).astype(float).clip(0, 50),
        "last_login_days": rng.exponential(9.0, rows).round(1).clip(0, 365),
    }
    logit = (
        -1.2
        - 0.04 * columns["tenure_months"]
        + 0.03 * (columns["monthly_fee"] - 40)
        + 0.5 * columns["tickets"]
        + 0.08 * columns["last_login_days"]
    )
    left = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return columns, left


def write(folder: Path, seed: int, rows: int) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name, size in (("train", rows), ("holdout", rows // 2)):
        columns, left = customers(size, rng)
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            out = csv.writer(stream)
            out.writerow([*COLUMNS, "churned"])
            out.writerows(zip(*(columns[one].tolist() for one in COLUMNS), left.tolist(), strict=True))
    columns, _ = customers(300, rng)
    requests = zip(*(columns[one].tolist() for one in COLUMNS), strict=True)
    lines = [json.dumps(dict(zip(COLUMNS, request, strict=True))) for request in requests]
    (folder / "recent.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, default=Path("data"))
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--rows", type=int, default=4_000)
    chosen = arguments.parse_args()
    write(chosen.folder, chosen.seed, chosen.rows)
