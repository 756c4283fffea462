"""Save an estimator as MLflow's own format: `python mlflow_model.py estimator.pkl folder`, in MLflow's environment."""

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

estimator = pickle.loads(Path(sys.argv[1]).read_bytes())  # written by the benchmark a moment ago
trees = ["sklearn.tree._tree.Tree"]  # refused unless they are said to be trusted
mlflow.sklearn.save_model(estimator, sys.argv[2], pyfunc_predict_fn="predict_proba", skops_trusted_types=trees)
