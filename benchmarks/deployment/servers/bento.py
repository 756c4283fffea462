"""A BentoML service around an estimator: `ESTIMATOR=/path bentoml serve bento:Churn`, in BentoML's environment."""

import os
import pickle
from pathlib import Path

import bentoml
import numpy as np


@bentoml.service(workers=1)
class Churn:
    """One model."""

    def __init__(self) -> None:
        """Load the estimator."""
        path = Path(os.environ["ESTIMATOR"])
        self.model = pickle.loads(path.read_bytes())  # written by the benchmark a moment ago

    @bentoml.api
    def infer(self, rows: np.ndarray) -> np.ndarray:
        """Return probabilities, one row of them for each row."""
        return self.model.predict_proba(rows)
