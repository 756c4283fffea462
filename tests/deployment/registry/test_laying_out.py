"""Versions laid out in folders, and damage found in what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.deployment.core.errors import (
    ConflictError,
    CorruptError,
    NotFoundError,
)
from plumbline.deployment.registry import described


def test_a_version_is_laid_out_whole_with_its_manifest(ship, registry, tmp_path):
    made = ship(b"1")
    folder = registry.materialise("churn", "1.0.0", tmp_path / "deep" / "out")
    assert (folder / "model.onnx").read_bytes() == b"1"
    assert (folder / "labels.txt").read_text() == "stays\nleaves\n"
    assert described_digest(folder / "plumbline.json") == made.digest
    assert sorted(path.name for path in folder.parent.iterdir()) == ["out"]


def described_digest(path: Path) -> str:
    return described({"any": path})[0].digest


def test_laying_out_again_checks_what_is_there(ship, registry, tmp_path):
    ship(b"1")
    ship(b"2")
    folder = registry.materialise("churn", "1.0.0", tmp_path / "out")
    assert registry.materialise("churn", "1.0.0", folder) == folder
    with pytest.raises(ConflictError, match="does not hold this version of churn"):
        registry.materialise("churn", "1.0.1", folder)
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(CorruptError, match=r"model\.onnx: altered since it was laid out"):
        registry.materialise("churn", "1.0.0", folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(CorruptError, match=r"model\.onnx: No such file"):
        registry.materialise("churn", "1.0.0", folder)


def test_an_edited_copy_leaves_the_registry_as_it_was(ship, registry, tmp_path):
    ship(b"1")
    (registry.materialise("churn", "1.0.0", tmp_path / "out") / "model.onnx").write_bytes(b"edited")
    assert registry.verify().damages == ()


def test_a_folder_that_cannot_be_made_is_told(ship, registry, tmp_path):
    ship(b"1")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Exception, match="Not a directory; nothing was stored"):
        registry.materialise("churn", "1.0.0", tmp_path / "file" / "out")


def test_of_two_that_lay_out_the_same_folder_the_second_takes_what_the_first_made(
    ship, registry, tmp_path, monkeypatch
):
    ship(b"1")
    copy = registry.blobs.copy

    def first(digest, target):
        monkeypatch.setattr(registry.blobs, "copy", copy)
        registry.materialise("churn", "1.0.0", tmp_path / "out")
        return copy(digest, target)

    monkeypatch.setattr(registry.blobs, "copy", first)
    assert registry.materialise("churn", "1.0.0", tmp_path / "out") == tmp_path / "out"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_altered_byte_names_model_version_and_file(ship, registry, tmp_path):
    ship(b"weights 1")
    ship(b"weights 2")
    blob = registry.blobs.path(registry.get("churn", "1.0.0").manifest.files[1].digest)
    blob.chmod(0o644)
    blob.write_bytes(b"weights !")
    (damage,) = registry.verify().damages
    assert (damage.model, damage.version, damage.path, damage.reason) == ("churn", "1.0.0", "model.onnx", "corrupt")
    assert "churn 1.0.0, file 'model.onnx'" in damage.sentence
    with pytest.raises(CorruptError, match=r"file 'model\.onnx'"):
        registry.materialise("churn", "1.0.0", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert registry.verify("churn").versions == 2


def test_a_file_that_is_gone_is_named_and_a_new_registration_brings_it_back(ship, registry):
    made = ship(b"1")
    labels = registry.get("churn", "1.0.0").manifest.files[0].digest
    registry.blobs.delete(labels)
    assert [(one.path, one.reason) for one in registry.verify("churn").damages] == [("labels.txt", "not_found")]
    assert ship(b"1").version == made.version
    assert registry.verify().damages == ()
    registry.blobs.delete(labels)
    ship(b"2")  # the next version shares the file
    assert registry.verify().damages == ()


def test_an_altered_manifest_is_found(ship, registry):
    ship(b"1")
    with registry.database.writing() as connection:
        connection.exec_driver_sql("UPDATE versions SET manifest = replace(manifest, '120', '999')")
    assert [(one.path, one.reason) for one in registry.verify().damages] == [(None, "corrupt")]


def test_verifying_a_model_that_is_not_there_is_no_success(registry):
    with pytest.raises(NotFoundError, match="no model 'churn'"):
        registry.verify("churn")
