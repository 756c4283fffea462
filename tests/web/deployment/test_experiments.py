"""Experiments over HTTP: what may be concluded, and the report as a page under the site's policy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asking import API, refusal
from click.testing import CliRunner
from fastapi.testclient import TestClient

from plumbline.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples/deployment"


@pytest.fixture
def offer(home: Path, tmp_path: Path) -> Path:
    """The experiment of a target, with a few days logged."""
    file = tmp_path / "offer.yml"
    shutil.copy(EXAMPLES / "experiment.yml", file)
    words = [sys.executable, str(EXAMPLES / "customers.py"), str(file), "--days", "2"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    logged = CliRunner().invoke(main, ["ab", "log", str(file)], input=lines)
    assert logged.exit_code == 0, logged.output
    return file


def test_experiments_are_those_of_the_targets(client: TestClient, home: Path, tmp_path: Path) -> None:
    assert client.get(f"{API}/experiments").json() == {"experiments": ["offer"]}
    assert refusal(client.get(f"{API}/experiments/none")) == (404, "no_experiment")
    assert client.get(f"{API}/experiments/offer").status_code in (404, 422)  # its file is not there
    shutil.copy(EXAMPLES / "experiment.yml", tmp_path / "offer.yml")
    (tmp_path / "churn-offer.log").write_text("")
    found = client.get(f"{API}/experiments/offer").json()
    assert "advice" in found or found["error"]["code"]


def test_the_report_is_the_page_that_the_command_writes_under_the_sites_policy(
    client: TestClient, offer: Path, tmp_path: Path
) -> None:
    listed = client.get("/experiments/")
    assert '<a href="/experiments/offer">offer</a>' in listed.text
    answer = client.get("/experiments/offer")
    assert answer.status_code == 200
    written = CliRunner().invoke(main, ["ab", "report", str(offer), "--html", str(tmp_path / "report.html")])
    assert written.exit_code == 0, written.output
    assert answer.text == (tmp_path / "report.html").read_text()
    assert "<svg" in answer.text
    for page in (listed, answer):
        assert "script-src 'self';" in page.headers["content-security-policy"]  # no inline script is needed or let in
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"


def test_what_cannot_be_shown_is_a_page_with_a_sentence(client: TestClient, home: Path, tmp_path: Path) -> None:
    none = client.get("/experiments/%3Cscript%3E")
    assert none.status_code == 404
    assert "no target &#x27;&lt;script&gt;&#x27; names an experiment" in none.text
    assert client.get("/experiments/offer").status_code in (404, 422)  # its file is not there
    (tmp_path / "plumbline.toml").write_text("")
    assert "No target names an experiment" in client.get("/experiments/").text
    (tmp_path / "plumbline.toml").write_text("[targets")
    assert client.get("/experiments/").status_code == 503
    assert client.get("/experiments/", headers={"Host": "evil.example"}).status_code == 403
