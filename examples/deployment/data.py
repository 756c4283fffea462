"""Rows for training: of the customers that `world.py` has seen, or, while nobody is known, of made-up ones.

Writes `train.csv`, `holdout.csv` (labelled, never trained on) and `recent.jsonl` (requests as callers send them). The
same seed, or the same known customers, give the same rows on every machine.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

COLUMNS = ("tenure_months", "monthly_fee", "tickets", "last_login_days")
LABEL = "churned"
KNOWN = "customers.csv"
REQUESTS = 300  # in recent.jsonl

Rows = list[tuple[float, ...]]


def customers(rows: int, rng: np.random.Generator, moved: float = 0.0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return columns by name, `(rows,)` each, and whether each customer left, 0 or 1.

    Args:
        rows: How many.
        rng: Where chance comes from.
        moved: How far the world has moved, from 0: customers of a bought competitor come with a long tenure, and with a
            cheaper rival around, the fee decides more, all else less.
    """
    columns = {
        "tenure_months": (rng.gamma(2.0, 12.0, rows) + 18 * moved).round(1).clip(0, 240),
        "monthly_fee": rng.normal(40, 12, rows).round(2).clip(5, 200),
        "tickets": rng.poisson(0.8, rows).astype(float).clip(0, 50),
        "last_login_days": rng.exponential(9.0, rows).round(1).clip(0, 365),
    }
    before, after = np.array((-0.04, 0.03, 0.5, 0.08)), np.array((0.0, 0.09, 0.25, 0.04))
    weights = before + min(moved, 1.0) * (after - before)
    values = np.column_stack([columns[name] for name in COLUMNS]) - np.array((0, 40, 0, 0))
    logit = values @ weights - 1.2
    left = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return columns, left


def made_up(seed: int, rows: int) -> tuple[Rows, Rows, Rows]:
    """Return rows for training, held-out ones and requests."""
    rng = np.random.default_rng(seed)
    parts = []
    for size in (rows, rows // 2, REQUESTS):
        columns, left = customers(size, rng)
        parts.append(list(zip(*(columns[name].tolist() for name in COLUMNS), left.tolist(), strict=True)))
    train, holdout, requests = parts
    return train, holdout, [row[:-1] for row in requests]


def known(path: Path) -> tuple[Rows, Rows, Rows]:
    """Return the same of customers who are known by now; every third is held out."""
    with path.open(newline="") as stream:
        table = list(csv.DictReader(stream))
    whole = [row for row in table if all(row[name] for name in (*COLUMNS, LABEL))]
    labelled = [(*(float(row[name]) for name in COLUMNS), int(row[LABEL])) for row in whole]
    train = [row for number, row in enumerate(labelled) if number % 3]
    return train, labelled[::3], [row[:-1] for row in labelled[-REQUESTS:]]


def write(folder: Path, seed: int, rows: int) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder / KNOWN
    train, holdout, requests = known(seen) if seen.exists() else made_up(seed, rows)
    for name, part in (("train", train), ("holdout", holdout)):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([(*COLUMNS, LABEL), *part])
    lines = [json.dumps(dict(zip(COLUMNS, request, strict=True))) for request in requests]
    (folder / "recent.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, default=Path("data"))
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--rows", type=int, default=4_000)
    chosen = arguments.parse_args()
    write(chosen.folder, chosen.seed, chosen.rows)
