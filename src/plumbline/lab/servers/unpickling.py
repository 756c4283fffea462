"""A scoring service as many begin: it unpickles an estimator of scikit-learn when it starts.

Configuration: `pickle`, its file, and `older`, the same from an older training machine; both are written if the first
is not there. `python -m plumbline.lab.servers.unpickling FILE [VERSION]` trains the estimator, an imputer and a small
tree. With a version the pickle is as that release wrote it: the version is recorded, and the imputer lacks what later
releases note at fitting.
"""

from __future__ import annotations

import http.server
import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

from plumbline.lab.churn import CUSTOMERS, MODEL, PATH
from plumbline.lab.servers.http import Answer, Config, arguments, log
from plumbline.lab.servers.scoring import Listener, handler

_DEFAULTS: dict[str, Any] = {"pickle": "", "older": ""}
LATER = "_fill_dtype"
LEFT = (1, 0, 0, 1)
"""Who of the lab's customers left: what the tree learns by heart."""


def train(file: Path, version: str | None = None) -> None:
    """Fit a tree to the lab's customers, and pickle it."""
    import sklearn.base
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    rows = [list(one.values()) for one in CUSTOMERS]
    tree = make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=1)).fit(rows, LEFT)
    ours = sklearn.base.__version__
    if version is not None:
        vars(tree[0]).pop(LATER, None)
        sklearn.base.__version__ = version
    try:
        content = pickle.dumps(tree)
    finally:
        sklearn.base.__version__ = ours
    file.write_bytes(content)


class Unpickling:
    """The service.

    Args:
        config: Its values.
    """

    def __init__(self, config: Config) -> None:
        file = Path(config["pickle"])
        if not file.exists():
            train(file)
            train(Path(config["older"]), "1.3.2")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.model = pickle.loads(file.read_bytes())  # noqa: S301 - the lab's own file
        for one in said:
            log(f"WARNING {one.category.__name__}: {one.message}")

    def handle(self, path: str, body: bytes) -> Answer:
        """Answer a request."""
        if path == "/v2/health/ready":
            return Answer(200, {"ready": True})
        if path != PATH:
            return Answer(404, {"error": f"no {path}"})
        rows = list(zip(*(one["data"] for one in json.loads(body)["inputs"]), strict=True))
        told = self.model.predict_proba(rows).ravel().tolist()
        outputs = [{"name": "probabilities", "datatype": "FP64", "shape": [len(rows), 2], "data": told}]
        return Answer(200, {"model_name": MODEL, "outputs": outputs})


def main() -> None:
    """Serve until killed; with a file alone, train."""
    if not sys.argv[1].isdigit():
        train(Path(sys.argv[1]), *sys.argv[2:])
        return
    port, path = arguments()
    service: Any = Unpickling(Config(path, _DEFAULTS))
    answers: type[http.server.BaseHTTPRequestHandler] = handler(service)
    Listener(("127.0.0.1", port), answers).serve_forever()


if __name__ == "__main__":
    main()
