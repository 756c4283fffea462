"""The bill of materials holds against the published schema and is the same for the same image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.image import Options
from plumbline.deployment.packaging.package import package


@pytest.mark.parametrize("with_image", [True, False])
def test_it_holds_against_the_schema_of_cyclonedx(
    shelf: Any, options: Options, tmp_path: Path, with_image: bool
) -> None:
    chosen = options if with_image else None
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=chosen, mtime=1_700_000_000)
    text = (packaged.folder / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    model = next(one for one in bill["components"] if one["type"] == "machine-learning-model")
    assert model["hashes"][0]["content"] == packaged.stored.digest.removeprefix("sha256:")
    assert [one["name"] for one in model["components"]] == ["model.onnx", "notes/READING.md", "prepare.py"]
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == [{"type": "roc_auc", "value": "0.81"}]


def test_it_names_every_package_with_what_each_needs(shelf: Any, options: Options, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    bill = json.loads((packaged.folder / "sbom.cdx.json").read_text())
    held = {one.get("purl") for one in bill["components"]}
    assert {"pkg:pypi/onnxruntime@1.0", "pkg:pypi/plumbline@1.0", "pkg:pypi/flatbuffers@1.0"} <= held
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert needs["pkg:pypi/onnxruntime@1.0"] == ["pkg:pypi/flatbuffers@1.0"]
    assert "base" in needs["subject"]


def test_its_number_follows_from_what_it_says(shelf: Any, options: Options, tmp_path: Path) -> None:
    numbers = []
    for name, version in (("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.1")):
        packaged = package(shelf, "churn", version, tmp_path / name, options=options)
        numbers.append(json.loads((packaged.folder / "sbom.cdx.json").read_text())["serialNumber"])
    assert numbers[0] == numbers[1] != numbers[2]


def test_it_is_attached_to_the_image_as_its_referrer(shelf: Any, options: Options, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    bill = next(one for one in reading.images(packaged.layout) if one.tag is None)
    assert packaged.image is not None
    assert bill.manifest["subject"]["digest"] == packaged.image.digest
    data = reading.blob(packaged.layout, bill.manifest["layers"][0]["digest"]).read_bytes()
    assert data == (packaged.folder / "sbom.cdx.json").read_bytes()
