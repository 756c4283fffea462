"""MLflow's side of aliases.py, run by the interpreter of its own environment: sets an alias to and fro when asked.

    python mlflow_aliases.py FOLDER

Reads a number of moves per line, and answers with their seconds as JSON.
"""

import json
import sys
import time
from pathlib import Path

import mlflow  # in its own environment only
from mlflow import MlflowClient

folder = Path(sys.argv[1])
url = f"sqlite:///{folder / 'mlflow.db'}"
client = MlflowClient(tracking_uri=url, registry_uri=url)
client.create_registered_model("churn")
for number in (1, 2):
    client.create_model_version("churn", source=str(folder / f"model-{number}"))
client.set_registered_model_alias("churn", "production", "1")
print(json.dumps({"version": mlflow.__version__}), flush=True)
for line in sys.stdin:
    seconds = []
    for move in range(int(line)):
        began = time.perf_counter()
        client.set_registered_model_alias("churn", "production", str(1 + move % 2))
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds), flush=True)
