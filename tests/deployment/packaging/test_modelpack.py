"""The artefact is what the CNCF's model-spec describes: media types, configuration, one raw layer per file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import CorruptError
from plumbline.deployment.core.manifest import Lineage
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.modelpack import media_type
from plumbline.deployment.packaging.package import package

# Keys that schema/config-schema.json of modelpack/model-spec allows; it forbids all others.
DESCRIPTOR = {"createdAt", "authors", "family", "name", "docURL", "sourceURL", "datasetsURL", "version", "revision"} | {
    "vendor",
    "licenses",
    "title",
    "description",
}


def test_the_artefact_is_a_model_manifest_with_one_raw_layer_per_file(shelf: Any, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    assert packaged.image is None
    one = reading.image(packaged.layout, "1.0.0")
    assert one.manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert one.manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    held = {layer["annotations"]["org.cncf.model.filepath"]: layer for layer in one.manifest["layers"]}
    kinds = {path: layer["mediaType"].removeprefix("application/vnd.cncf.model.") for path, layer in held.items()}
    assert kinds == {
        "model.onnx": "weight.v1.raw",
        "notes/READING.md": "doc.v1.raw",
        "prepare.py": "code.v1.raw",
        "plumbline.json": "weight.config.v1.raw",
        "README.md": "doc.v1.raw",
    }
    for file in packaged.stored.manifest.files:
        assert held[file.path]["digest"] == file.digest
    assert held["plumbline.json"]["digest"] == packaged.stored.digest


def test_the_configuration_has_the_facts_and_no_key_that_the_schema_forbids(shelf: Any, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    one = reading.image(packaged.layout, "1.0.0")
    assert set(one.config) == {"descriptor", "config", "modelfs"}
    assert set(one.config["descriptor"]) <= DESCRIPTOR
    assert one.config["descriptor"] == {
        "name": "churn",
        "title": "churn",
        "version": "1.0.0",
        "revision": "a1b2c3",
        "createdAt": "2023-11-14T22:13:20Z",
        "description": "Churn",
    }
    assert one.config["config"]["format"] == "onnx"
    assert one.config["modelfs"]["type"] == "layers"
    assert one.config["modelfs"]["diffIds"] == [layer["digest"] for layer in one.manifest["layers"]]
    assert one.manifest["annotations"]["dev.plumbline.model.digest"] == packaged.stored.digest


def test_what_is_not_known_is_left_out(make: Any, tmp_path: Path) -> None:
    lineage = Lineage(data="sha256:" + "d" * 64)
    bare = make.version("1.0.0", b"w", card="", lineage=lineage)
    packaged = package(make.Shelf({"1": bare}), "churn", "1.0.0", tmp_path / "out", options=None)
    one = reading.image(packaged.layout, "1.0.0")
    assert set(one.config["descriptor"]) == {"name", "title", "version"}
    assert "README.md" not in json.dumps(one.manifest)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("LICENSE", "doc"),
        ("w.data", "weight"),
        ("sample.csv", "dataset"),
        ("vocabulary", "weight.config"),
        ("Q.SQL", "code"),
    ],
)
def test_files_are_sorted_by_what_they_are(make: Any, path: str, kind: str) -> None:
    assert media_type(path, make.version("1.0.0", b"").manifest) == f"application/vnd.cncf.model.{kind}.v1.raw"


def test_an_altered_file_is_refused_by_name(shelf: Any, tmp_path: Path) -> None:
    shelf.versions["1.0.0"].data["model.onnx"] = b"altered"
    with pytest.raises(CorruptError, match=r"model.onnx is"):
        package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    assert not list(tmp_path.iterdir())


def test_signatures_travel_with_the_files_that_they_cover(shelf: Any, tmp_path: Path) -> None:
    shelf.versions["1.0.0"].data["signatures/abc.json"] = b"{}"
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    held = [one.holds for one in packaged.layers if one.tag == "1.0.0"]
    assert "signatures/abc.json" in held
