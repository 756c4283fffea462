"""`plumb model import` and `export`, against the stand-in for an MLflow server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow_stand_in import Registry, serving
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from plumbline.cli.main import main

Plumb = Callable[..., Result]


@pytest.fixture
def plumb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plumb:
    monkeypatch.setenv("PLUMBLINE_REGISTRY", str(tmp_path / "registry"))
    return lambda *words: CliRunner().invoke(main, ["model", *map(str, words)])


@pytest.fixture
def theirs() -> Registry:
    """A registry that holds one version which scikit-learn and skops wrote."""
    found = Registry()
    estimator = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]], [0, 1, 0, 1])
    told = "flavors: {sklearn: {serialization_format: skops, pickled_model: model.skops}}"
    found.files |= {"1/m/MLmodel": told.encode(), "1/m/model.skops": skops_io.dumps(estimator)}
    found.model_versions_create({"name": "Churn", "source": "mlflow-artifacts:/1/m", "run_id": ""})
    found.aliases["Churn", "champion"] = "1"
    return found


@pytest.fixture
def url(theirs: Registry) -> Iterator[str]:
    with serving(theirs) as address:
        yield address


def test_a_version_travels_there_and_back_and_stays_itself(plumb: Plumb, theirs: Any, url: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n0.1,0.9\n0.7,0.3\n0.5,0.5\n")
    taken = plumb("import", "Churn@champion", "--from", url, "--sample", tmp_path / "rows.csv")
    assert taken.exit_code == 0, taken.output
    assert taken.output.startswith("churn 1.0.0  sha256:")
    given = plumb("export", "churn@1.0.0", "--to", url, "--name", "ours")
    assert given.output == f"churn 1.0.0 is version 1 of ours at {url}\n"
    back = plumb("import", "ours@1", "--from", url)
    assert back.output.split()[:3] == taken.output.split()[:3]
    assert len(json.loads(plumb("show", "churn@1.0.0", "--json").output)) > 0


def test_a_token_comes_from_the_environment_only(
    plumb: Plumb, theirs: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset = plumb("import", "Churn@1", "--from", url, "--token-env", "MLFLOW_TOKEN")
    assert unset.exit_code == 2
    assert "$MLFLOW_TOKEN, which is not set" in unset.output
    monkeypatch.setenv("MLFLOW_TOKEN", "CANARY")
    plumb("import", "Churn@1", "--from", url, "--token-env", "MLFLOW_TOKEN")
    assert set(theirs.headers) == {"Bearer CANARY"}


def test_what_cannot_be_had_is_one_sentence(plumb: Plumb, url: str, tmp_path: Path) -> None:
    refused = plumb("import", "Churn@1", "--from", "http://127.0.0.1:1")
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: ")
    unread = plumb("import", "Churn@1", "--from", url, "--sample", tmp_path / "none.csv")
    assert "cannot be read as CSV" in unread.output
    assert "without an input example" in plumb("import", "Churn@1", "--from", url).output
    assert plumb("export", "churn@1.0.0", "--to", url).exit_code == 1
