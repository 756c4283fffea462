"""A signature from a fitted scikit-learn estimator and a sample of its data: what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.signature import Feature, Kind, Output, Scalar, Signature
from plumbline.deployment.models.tables import frame, table
from plumbline.deployment.models.values import is_missing

OUTPUTS = {"classifier": ("label", "probabilities"), "regressor": ("prediction",)}
"""Names of outputs where `Hints.outputs` gives no other."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What data cannot say. All of it is contract: a later version that takes less is a major one.

    Args:
        optional: Features that callers may leave out, with the default that stands in (None: missing, if nullable).
        ranges: Lowest and highest valid value by feature, None for no bound. Nothing is concluded from the sample:
            the highest age seen is not the highest age there is.
        choices: All valid values by feature. Categories that an encoder of the pipeline refuses are found without.
        nullable: Whether missing values may be sent, by feature, against what the sample shows.
        outputs: Another name by usual name: `{"probabilities": "score"}`.
        promises: Lowest and highest answer by output, None for no bound; probabilities promise 0 to 1 without.
    """

    optional: Mapping[str, Scalar | None] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    choices: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    nullable: Mapping[str, bool] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    promises: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


def infer(estimator: Any, sample: Any, hints: Hints | None = None) -> Signature:
    """Return the signature of an estimator.

    A feature is nullable if the sample has missing values there: then the estimator was trained with some.

    Args:
        estimator: Fitted classifier or regressor, or a pipeline that ends in one.
        sample: Rows as it was trained on: a data frame, a mapping of columns, or `(array, names)`.
        hints: What the sample does not show.

    Raises:
        InvalidError: Not fitted, neither classifier nor regressor, a column of mixed types, or hints for names that
            do not exist.
    """
    hints = hints or Hints()
    columns = table(sample)
    order = _order(estimator, columns)
    _known(hints, order)
    closed = _closed(estimator)
    inputs = tuple(_feature(name, columns[name], hints, closed.get(name)) for name in order)
    first = {name: columns[name][:1] for name in order}
    return Signature(inputs, _outputs(estimator, hints, frame(estimator, first)))


def role(estimator: Any) -> str:
    """Return `classifier` or `regressor`.

    Raises:
        InvalidError: It is neither, or not fitted.
    """
    from sklearn.base import is_classifier, is_regressor
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    name = type(estimator).__name__
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise InvalidError(f"{name} is neither a classifier nor a regressor: end the pipeline in one")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise InvalidError(f"{name} is not fitted: call fit before") from error
    return "classifier" if is_classifier(estimator) else "regressor"


def methods(estimator: Any, hints: Hints) -> dict[str, str]:
    """Return the estimator's method (`predict`, `predict_proba`) by the name of the output it gives."""
    usual = OUTPUTS[role(estimator)]
    if len(usual) > 1 and not hasattr(estimator, "predict_proba"):
        usual = usual[:1]
    return {hints.outputs.get(name, name): "predict_proba" if name == "probabilities" else "predict" for name in usual}


def kind_of(values: NDArray[Any], name: str) -> Kind:
    """Return the family of a column's type, missing values aside.

    Raises:
        InvalidError: The column mixes types, or holds none that a request can carry.
    """
    family: Kind | None = {"f": "float", "i": "int", "u": "int", "b": "bool", "U": "string"}.get(values.dtype.kind)  # type: ignore[assignment]
    if family is not None:
        return family
    kinds = {_scalar_kind(one) for one in values.tolist() if not is_missing(one)}
    if kinds == {"int", "float"}:
        return "float"
    if len(kinds) == 1 and (found := kinds.pop()) is not None:
        return found
    raise InvalidError(
        f"column '{name}' ({values.dtype}) holds no values, values of mixed types, or none that a request can carry: "
        "expected numbers, booleans or strings",
        field=name,
    )


def _scalar_kind(value: Any) -> Kind | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "string" if isinstance(value, str) else None


def _order(estimator: Any, columns: Mapping[str, Any]) -> list[str]:
    own = getattr(estimator, "feature_names_in_", None)
    width = getattr(estimator, "n_features_in_", None)
    if own is None:
        if width is not None and width != len(columns):
            raise InvalidError(f"the estimator was trained on {width} columns and the sample has {len(columns)}")
        return list(columns)
    names = [str(one) for one in own]
    for name in names:
        if name not in columns:
            raise InvalidError(f"the estimator was trained on '{name}', which the sample does not have", field=name)
    return names


def _known(hints: Hints, order: list[str]) -> None:
    for what in ("optional", "ranges", "choices", "nullable"):
        for name in getattr(hints, what):
            if name not in order:
                raise InvalidError(
                    f"hints.{what} names '{name}', which is no feature: there are {', '.join(order)}", field=name
                )


def _feature(name: str, values: NDArray[Any], hints: Hints, closed: tuple[Scalar, ...] | None) -> Feature:
    missing = any(is_missing(one) for one in values.tolist()) if values.dtype.kind in "fO" else False
    low, high = hints.ranges.get(name, (None, None))
    return Feature(
        name,
        kind_of(values, name),
        required=name not in hints.optional,
        default=hints.optional.get(name),
        nullable=hints.nullable.get(name, missing),
        minimum=low,
        maximum=high,
        choices=hints.choices.get(name, closed),
    )


def _closed(estimator: Any) -> dict[str, tuple[Scalar, ...]]:
    """Categories by column, where an encoder of the pipeline's first step refuses any other."""
    found: dict[str, tuple[Scalar, ...]] = {}
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    for _, part, columns in getattr(first, "transformers_", ()):
        encoder = part.steps[0][1] if hasattr(part, "steps") else part
        if getattr(encoder, "handle_unknown", None) != "error" or not hasattr(encoder, "categories_"):
            continue
        for column, categories in zip(columns, encoder.categories_, strict=True):
            if isinstance(column, str):
                found[column] = tuple(one for one in categories.tolist() if not is_missing(one))
    return found


def _outputs(estimator: Any, hints: Hints, row: Any) -> tuple[Output, ...]:
    outputs = []
    for name, method in methods(estimator, hints).items():
        low, high = hints.promises.get(name, (0.0, 1.0) if method == "predict_proba" else (None, None))
        if role(estimator) == "regressor":
            outputs.append(Output(name, "float", np.shape(estimator.predict(row))[1:], None, low, high))
            continue
        classes = np.asarray(estimator.classes_)
        if classes.ndim != 1:
            raise InvalidError("a classifier with several outputs cannot be registered: register one per output")
        labels = tuple(classes.tolist())
        if method == "predict_proba":
            outputs.append(Output(name, "float", (len(labels),), labels, low, high))
        else:
            outputs.append(Output(name, kind_of(classes, name), (), labels, low, high))
    return tuple(outputs)
