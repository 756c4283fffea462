"""The world goes on: customers come, the model that serves is asked about each, and it is seen who leaves.

Writes what a company would have by then: `recent.csv` (inputs that came lately), `predictions.csv` (what the model
said, when, and what came true) and `customers.csv`, of which `data.py` makes the next rows for training.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from data import COLUMNS, KNOWN, LABEL, customers

FEW = 100  # customers that one request is about


def scores(url: str, rows: np.ndarray) -> list[float | str]:
    """Ask the server how likely each customer leaves; empty for those about whom it refuses to answer."""
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": rows[:, number].tolist()}
        for number, name in enumerate(COLUMNS)
    ]
    body = json.dumps({"inputs": inputs}).replace("NaN", "null").encode()
    request = urllib.request.Request(f"{url}/v2/models/churn/infer", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            outputs = {one["name"]: one["data"] for one in json.load(answer)["outputs"]}
    except urllib.error.HTTPError as error:
        if error.code != 422:
            raise
        return [""] * len(rows)
    return [round(one, 6) for one in np.reshape(outputs["probabilities"], (len(rows), -1))[:, 1].tolist()]


def write(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; what is not known is empty."""
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(head)
        out.writerows(["" if one != one else one for one in row] for row in rows)


def main(folder: Path, url: str, count: int, moved: float, blind: float) -> None:
    """Let customers come, and write the three tables."""
    rng = np.random.default_rng(5)
    columns, left = customers(count, rng, moved)
    rows = np.column_stack([columns[name] for name in COLUMNS])
    rows[: round(count * blind), 0] = np.nan  # an upstream job broke; it has been mended since, for those who follow
    said: list[tuple[float, float | str]] = []
    for first in range(0, count, FEW):
        answers = scores(url, rows[first : first + FEW])
        said += [(time.time(), one) for one in answers]
    table, stays = rows.tolist(), left.tolist()
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "recent.csv", COLUMNS, table)
    write(
        folder / "predictions.csv",
        ("at", "score", "label"),
        ((*one, true) for one, true in zip(said, stays, strict=True)),
    )
    write(folder / KNOWN, (*COLUMNS, LABEL), ((*row, true) for row, true in zip(table, stays, strict=True)))
    answered = sum(one != "" for _, one in said)
    print(f"{count:,} customers came, {answered:,} were scored, {left.sum():,} left")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, default=Path("data"))
    arguments.add_argument("--url", default="http://127.0.0.1:8080", help="the model server")
    arguments.add_argument("--customers", type=int, default=6_000)
    arguments.add_argument("--moved", type=float, default=0.0, help="how far the world has moved, from 0")
    arguments.add_argument("--blind", type=float, default=0.0, help="share of customers whose tenure is missing")
    chosen = arguments.parse_args()
    main(chosen.folder, chosen.url, chosen.customers, chosen.moved, chosen.blind)
