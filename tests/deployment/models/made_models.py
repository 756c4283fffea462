"""Small models, each made with one thing another way, for pairs whose bump is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from plumbline.deployment.models import Hints

ROWS = 160


def data(seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, ROWS),
            "spend": random.gamma(2.0, 50.0, ROWS).round(2),
            "plan": random.choice(["free", "paid", "team"], ROWS),
        }
    )


def labels(frame: pd.DataFrame) -> Any:
    return np.where(frame["age"] + frame["spend"] / 10 > 60, "stays", "leaves")


def amount(frame: pd.DataFrame) -> Any:
    return 3.0 * frame["age"] + 0.5 * frame["spend"]


def encoded(last: Any, *, unknown: str = "error") -> Any:
    prepare = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "spend"]),
            ("plan", OneHotEncoder(handle_unknown=unknown), ["plan"]),
        ]
    )
    return make_pipeline(prepare, last)


class Made(NamedTuple):
    estimator: Any
    sample: pd.DataFrame
    hints: Hints = Hints()


def numbers(seed: int = 0, **renamed: str) -> pd.DataFrame:
    return data(seed)[["age", "spend"]].rename(columns=renamed)


def classifier(seed: int = 0, *, hints: Hints | None = None, last: Any = None, target: Any = labels) -> Made:
    frame = data(seed)
    fitted = (LogisticRegression(C=1 + seed) if last is None else last).fit(frame[["age", "spend"]], target(frame))
    return Made(fitted, frame[["age", "spend"]], hints or Hints())


def regressor(seed: int = 0, *, scale: float = 1.0, hints: Hints | None = None, last: Any = None) -> Made:
    frame = data(seed)
    fitted = (LinearRegression() if last is None else last).fit(frame[["age", "spend"]], scale * amount(frame))
    return Made(fitted, frame[["age", "spend"]], hints or Hints())


def named(**columns: str) -> Made:
    frame = data()[["age", "spend"]].rename(columns=columns)
    return Made(LogisticRegression().fit(frame, labels(data())), frame)


def columns(*names: str) -> Made:
    frame = data().assign(visits=np.arange(ROWS) % 7.0)[list(names)]
    return Made(LogisticRegression().fit(frame, labels(data())), frame)


def optional(name: str, default: float) -> Made:
    made = columns("age", "spend", name)
    return made._replace(hints=Hints(optional={name: default}))


def typed(**dtypes: str) -> Made:
    frame = data()[["age", "spend"]].astype(dtypes)
    return Made(LogisticRegression().fit(frame, labels(data())), frame)


def ranged(low: float | None, high: float | None) -> Made:
    return classifier(hints=Hints(ranges={"age": (low, high)}))


def classes(*names: str, reverse: bool = False) -> Made:
    frame = data()[["age", "spend"]]
    target = np.array(names)[np.digitize(frame["age"], np.linspace(18, 80, len(names) + 1)[1:-1])]
    return Made(LogisticRegression().fit(frame, target), frame)


def plans(*names: str, unknown: str = "error") -> Made:
    frame = data()
    frame["plan"] = np.array(names)[np.arange(ROWS) % len(names)]
    return Made(encoded(LogisticRegression(), unknown=unknown).fit(frame, labels(data())), frame)


def holes(last: Any, hints: Hints | None = None) -> Made:
    """Trained on missing values."""
    frame = data()[["age", "spend"]]
    frame.loc[::9, "spend"] = np.nan
    return Made(last.fit(frame, labels(data())), frame, hints or Hints())


def imputed() -> Any:
    return make_pipeline(SimpleImputer(), LogisticRegression())


def named_output(name: str) -> Made:
    return classifier(hints=Hints(outputs={"probabilities": name}))


def promised(low: float, high: float) -> Made:
    return regressor(hints=Hints(promises={"prediction": (low, high)}))


def no_probabilities() -> Made:
    from sklearn.svm import LinearSVC

    return classifier(last=LinearSVC(C=0.01))


def two_targets() -> Made:
    frame = data()[["age", "spend"]]
    return Made(LinearRegression().fit(frame, np.column_stack([amount(frame), frame["age"]])), frame)


def labelled(*names: str) -> Made:
    from sklearn.svm import LinearSVC

    frame = data()[["age", "spend"]]
    target = np.array(names)[np.digitize(frame["age"], np.linspace(18, 80, len(names) + 1)[1:-1])]
    return Made(LinearSVC(C=0.001).fit(frame, target), frame)
