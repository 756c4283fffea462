"""What people decide about scaling: metrics, targets, bounds, windows and rates. Typed, read from YAML or TOML.

The words are those of Kubernetes' `autoscaling/v2` HorizontalPodAutoscaler in snake case, with its defaults and its
bounds, so that one policy drives the local supervisor and renders to a cluster's objects.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance, default of kube-controller-manager
SYNC_PERIOD_S = 15.0  # --horizontal-pod-autoscaler-sync-period
DOWN_WINDOW_S = 300  # --horizontal-pod-autoscaler-downscale-stabilization
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PolicyError(ValueError):
    """The policy cannot be used; the message is one sentence that says where and why."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Closed):
    """One number to scale by, and where it should be.

    Args:
        name: The metric, as the observation names it (`connections`, `deliveries_per_second`).
        over: `pods`: each replica has its own value, and their average is compared (Kubernetes' Pods metric); `total`:
            one value for all together (External and Object metrics).
        average_value: Target per replica, in the metric's own unit.
        value: Target for the one value as it is; only with `over: total`.
    """

    name: str = Field(min_length=1)
    over: Literal["pods", "total"] = "pods"
    average_value: Positive | None = None
    value: Positive | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.average_value is None) == (self.value is None):
            raise ValueError("a metric has one target: average_value or value")
        if self.value is not None and self.over == "pods":
            raise ValueError("value compares one total; for values of each replica give average_value, or over: total")
        return self

    @property
    def target(self) -> float:
        """The target, whichever it is."""
        return self.average_value if self.average_value is not None else float(self.value or 0)


class Rate(_Closed):
    """How many replicas may come or go within a period.

    Args:
        type: `pods` or `percent` of the replicas at the start of the period.
        value: How many.
        period_s: The period, in seconds.
    """

    type: Literal["pods", "percent"]
    value: int = Field(gt=0)
    period_s: int = Field(gt=0, le=1800)


class Direction(_Closed):
    """Rules for growing or for shrinking.

    Args:
        stabilization_s: Seconds of past recommendations to consider; the most cautious of them counts.
        tolerance: Distance of the ratio current/target from 1 that is left alone.
        select: Which rate holds: the one that permits most (`max`), least (`min`), or none may happen (`disabled`).
        rates: The rates.
    """

    stabilization_s: int = Field(ge=0, le=3600)
    tolerance: float = Field(default=TOLERANCE, ge=0, allow_inf_nan=False)
    select: Literal["max", "min", "disabled"] = "max"
    rates: tuple[Rate, ...] = Field(min_length=1)


class Up(Direction):
    """Growing: at once, at most double or four more in 15 s."""

    stabilization_s: int = Field(default=0, ge=0, le=3600)
    rates: tuple[Rate, ...] = Field(
        default=(Rate(type="percent", value=100, period_s=15), Rate(type="pods", value=4, period_s=15)), min_length=1
    )


class Down(Direction):
    """Shrinking: to the highest recommendation of the last five minutes."""

    stabilization_s: int = Field(default=DOWN_WINDOW_S, ge=0, le=3600)
    rates: tuple[Rate, ...] = Field(default=(Rate(type="percent", value=100, period_s=15),), min_length=1)


class Policy(_Closed):
    """When to have how many replicas.

    Args:
        min_replicas: Fewest. 0 lets them all go, and needs a metric over `total`.
        max_replicas: Most.
        metrics: What to scale by; the metric that asks for most wins.
        up: Rules for growing.
        down: Rules for shrinking.
        sync_period_s: Seconds between two decisions.

    Example:
        ```python
        policy = Policy(max_replicas=8, metrics=[Metric(name="connections", average_value=5000)])
        ```
    """

    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(ge=1)
    metrics: tuple[Metric, ...] = Field(min_length=1)
    up: Up = Up()
    down: Down = Down()
    sync_period_s: Positive = SYNC_PERIOD_S

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas={self.min_replicas} is more than max_replicas={self.max_replicas}")
        if self.min_replicas == 0 and all(metric.over == "pods" for metric in self.metrics):
            raise ValueError("min_replicas=0 needs a metric over total: without replicas nobody reports the others")
        return self

    @classmethod
    def read(cls, values: Any, *, where: str = "the policy") -> Policy:
        """Return the policy that these plain values describe.

        Raises:
            PolicyError: A key is unknown or missing, or a value does not fit; the sentence names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as failed:
            raise PolicyError(f"{where}: {_sentence(failed)}") from None

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a policy from a `.toml`, `.yaml` or `.yml` file.

        Raises:
            PolicyError: The file cannot be read, or its policy is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
        except OSError as failed:
            raise PolicyError(f"{path}: {failed.strerror or failed}") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as failed:
            raise PolicyError(f"{path}: {' '.join(str(failed).split())}") from None
        return cls.read(values, where=str(path))


def _sentence(failed: ValidationError) -> str:
    errors = failed.errors()  # a misspelt key first: what it stands for is then missing, too
    error = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    place = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"there is no '{place}'{_near(error['loc'])}"
    if error["type"] == "missing":
        return f"'{place}' is missing"
    message = error["msg"].removeprefix("Value error, ")
    given = "" if error["type"] == "value_error" or isinstance(error["input"], dict) else f", not {error['input']!r}"
    return f"{place}: {message}{given}" if place else message + given


def _near(place: tuple[int | str, ...]) -> str:
    models: dict[str, type[BaseModel]] = {"metrics": Metric, "rates": Rate, "up": Up, "down": Down}
    parents = [step for step in place[:-1] if isinstance(step, str)]
    known = (models[parents[-1]] if parents else Policy).model_fields
    near = get_close_matches(str(place[-1]), list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
