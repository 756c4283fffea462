"""Made-up customers of the churn experiment, as lines for `plumb ab log`: what a service and a warehouse would send."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from plumbline.deployment.experiments.assignment import assign
from plumbline.deployment.experiments.declaration import load

DAY = 86_400.0
START = 1_790_000_000.0  # September 2026


def main() -> None:
    """Print one JSON object a line, in the order of time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument(
        "--days", type=float, default=28.0, help="days of the experiment, with a thousand customers each"
    )
    parser.add_argument("--lift", type=float, default=0.04, help="how many more stay with the treatment")
    parser.add_argument("--harm", type=float, default=0.0, help="how many more complain")
    parser.add_argument("--lose", type=float, default=0.0, help="share of the treatment's exposures that get lost")
    given = parser.parse_args()
    plan, draw, lines = load(given.experiment).plan, random.Random(4), []
    for number in range(int(given.days * 1_000)):
        unit, at = f"customer-{number}", START + number * DAY / 1_000
        treated = assign(plan, unit) is not plan.control
        habit = draw.gauss(40, 18)
        spent = 0.97 * habit + draw.gauss(1.2, 17)
        if not (treated and draw.random() < given.lose):
            lines.append({"unit": unit, "at": at, "dimensions": {"country": "fr" if number % 3 else "de"}})
        lines.append({"unit": unit, "metric": "spent_before", "value": round(habit, 2), "at": at - DAY})
        lines.append({"unit": unit, "metric": "spent", "value": round(spent, 2), "at": at + 2 * DAY})
        for metric, rate in (("stayed", 0.6 + given.lift * treated), ("complaints", 0.02 + given.harm * treated)):
            if draw.random() < rate:
                lines.append({"unit": unit, "metric": metric, "at": at + draw.random() * 7 * DAY})
    end = START + given.days * DAY
    for line in sorted(lines, key=lambda one: one["at"]):
        if line["at"] <= end:
            print(json.dumps(line))


if __name__ == "__main__":
    main()
