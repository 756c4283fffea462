"""The lab's model: will a customer leave? Its coefficients are known, and with them the right answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plumbline.lab.service import Asked

MODEL = "churn"
PATH = f"/v2/models/{MODEL}/infer"
COEFFICIENTS = {"tenure_months": -0.05, "monthly_eur": 0.03, "tickets": 0.4}
INTERCEPT = -1.0
CUSTOMERS: tuple[Mapping[str, float], ...] = (
    {"tenure_months": 3.0, "monthly_eur": 70.0, "tickets": 4.0},
    {"tenure_months": 48.0, "monthly_eur": 20.0, "tickets": 0.0},
    {"tenure_months": 12.0, "monthly_eur": 45.0, "tickets": 1.0},
    {"tenure_months": 30.0, "monthly_eur": 95.0, "tickets": 2.0},
)
"""Whose answers the lab's clients ask for, in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the model, as its author wrote it down.

    Args:
        coefficients: Of the logistic regression, by feature, in the order of its columns.
        intercept: Of the same.
        alias: What shall point at it once it is registered; later versions take it over.
    """

    coefficients: Mapping[str, float] = field(default_factory=lambda: dict(COEFFICIENTS))
    intercept: float = INTERCEPT
    alias: str | None = "production"

    def probability(self, customer: Mapping[str, float]) -> float:
        """Return how likely a customer is to leave, 0 to 1."""
        weighed = sum(weight * customer[name] for name, weight in self.coefficients.items())
        return 1 / (1 + math.exp(-self.intercept - weighed))


def body(customers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a request of the Open Inference Protocol, version 2: one tensor for each feature."""
    names = list(customers[0])
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(customers)],
                "datatype": "FP64",
                "data": [customer[name] for customer in customers],
            }
            for name in names
        ]
    }


def asks(version: Version | None = None, customers: Sequence[Mapping[str, float]] = CUSTOMERS) -> tuple[Asked, ...]:
    """Return one question for each customer, with the answer that is right by a version's coefficients."""
    author = version or Version()
    return tuple(
        Asked(path=PATH, body=body([one]), expect={"probabilities": (1 - p, p)})
        for one in customers
        for p in (author.probability(one),)
    )
