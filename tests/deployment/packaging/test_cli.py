"""`plumb package` writes, proves and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plumbline.cli import package as command
from plumbline.deployment.packaging import prove as proving
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.image import Options
from plumbline.deployment.registry.store import Registry


@pytest.fixture
def run(shelf: Any, options: Options, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(command, "_source", lambda _: shelf)
    wheels = str(options.packages.folder)  # type: ignore[attr-defined]

    def call(*words: str) -> Any:
        return CliRunner().invoke(command.package, [*words, "--wheels", wheels, "--base", options.base])

    return call


def test_the_command_writes_proves_and_says_what_takes_the_room(run: Any, seen: Path, tmp_path: Path) -> None:
    result = run("churn@1.0.0", "--to", str(tmp_path / "out"), "--image", "--prove")
    assert result.exit_code == 0, result.output
    assert "churn 1.0.0 (sha256:" in result.output
    assert "model churn" in result.output
    assert "2 golden rows answered by 1.0.0+abc" in result.output


def test_the_command_as_json(run: Any, seen: Path, tmp_path: Path) -> None:
    body = json.loads(run("churn", "--to", str(tmp_path / "out"), "--image", "--gzip", "--prove", "--json").output)
    assert (body["version"], body["image"]["tag"], body["proof"]["passed"]) == ("1.0.0", "1.0.0-server", True)
    assert any(layer["media_type"].endswith("+gzip") for layer in body["layers"])


def test_the_command_refuses_in_one_sentence(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("churn@9.9.9", "--to", str(tmp_path / "out"))
    assert (result.exit_code, result.output) == (1, "Error: there is no churn@9.9.9\n")
    assert run("churn", "--to", str(tmp_path / "out"), "--prove").exit_code == 2
    monkeypatch.setenv("PATH", "/nowhere")
    result = run("churn", "--to", str(tmp_path / "out"), "--image", "--prove", "--json")
    assert json.loads(result.stdout)["reason"] == "unavailable"
    assert not (tmp_path / "out").exists()
    assert run("churn", "--to", str(tmp_path / "out")).exit_code == 0
    assert not (tmp_path / "out" / proving.RECORD).exists()


def test_a_version_of_a_real_registry_is_packaged_by_its_alias(make: Any, tmp_path: Path) -> None:
    model, url = tmp_path / "model.onnx", str(tmp_path / "registry")
    with Registry.open(url) as registry:
        made = registry.register(make.echo(model), {"model.onnx": model}, by="ada")
        registry.move("echo", "candidate", to=made.version, expect=None, by="ada", why="first")
    result = CliRunner().invoke(command.package, ["echo", "--registry", url, "--to", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    body = json.loads(result.output)
    assert (body["version"], body["digest"]) == (made.version, made.digest)
    assert reading.verify(tmp_path / "out/oci") == 7
    assert CliRunner().invoke(command.package, ["none", "--registry", url, "--to", str(tmp_path / "b")]).exit_code == 1
