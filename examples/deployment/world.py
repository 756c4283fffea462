"""A made-up world for the churn model: inputs at training and now, predictions and what came true, in data/*.csv."""

from __future__ import annotations

import argparse
import csv
import math
import random
import time
from collections.abc import Iterable
from pathlib import Path

DAY = 86_400.0
FOLDER = Path(__file__).parent / "data"
COLUMNS = ("tenure_months", "tickets", "plan")


def main() -> None:
    """Write the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drift", type=float, default=0.0, help="months by which customers' tenure has moved")
    parser.add_argument("--blind", type=float, default=0.0, help="share of recent rows in which tenure is missing")
    given = parser.parse_args()
    draw, now = random.Random(5), time.time()
    FOLDER.mkdir(exist_ok=True)
    write("training.csv", COLUMNS, (customer(draw, 0.0) for _ in range(4_000)))
    recent = [customer(draw, given.drift) for _ in range(2_000)]
    blinded = (("" if draw.random() < given.blind else tenure, *others) for tenure, *others in recent)
    write("recent.csv", COLUMNS, blinded)
    write("predictions.csv", ("at", "score", "label"), predictions(draw, now, given.drift))


def customer(draw: random.Random, drift: float) -> tuple[float, int, str]:
    """Return months of tenure, tickets of the last quarter, and the plan."""
    return round(draw.gauss(48 + drift, 18), 1), int(draw.expovariate(0.8)), draw.choice(("basic", "basic", "plus"))


def predictions(draw: random.Random, now: float, drift: float) -> Iterable[tuple[float, float, object]]:
    """Yield time, score and label; whoever was scored within the last 30 days has no label yet."""
    for number in range(3_000):
        at = now - 59 * DAY + number * DAY / 60
        tenure, _, _ = customer(draw, drift)
        leaves = draw.random() < 1 / (1 + math.exp((tenure - 48 - drift) / 12))
        score = 1 / (1 + math.exp((tenure - 48) / 12))
        yield round(at, 1), round(score, 4), "" if now - at < 30 * DAY else int(leaves)


def write(name: str, head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a table."""
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
