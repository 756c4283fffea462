"""A layout is read whole or its broken blob is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.archive import Entry
from plumbline.deployment.packaging.descriptors import CONFIG, INDEX, LAYER, MANIFEST
from plumbline.deployment.packaging.image import Options
from plumbline.deployment.packaging.layout import Writer
from plumbline.deployment.packaging.package import Packaged, package


@pytest.fixture
def packaged(shelf: Any, options: Options, tmp_path: Path) -> Packaged:
    return package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)


def referenced(layout: Path) -> list[str]:
    found = []
    for one in reading.images(layout):
        found += [one.digest, one.manifest["config"]["digest"], *(layer["digest"] for layer in one.manifest["layers"])]
    return sorted(set(found))


def test_a_whole_layout_is_verified_blob_by_blob(packaged: Packaged) -> None:
    assert reading.verify(packaged.layout) == len(referenced(packaged.layout))
    held = {path.name for path in (packaged.layout / "blobs/sha256").iterdir()}
    assert {f"sha256:{name}" for name in held} == set(referenced(packaged.layout))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_bit_of_any_blob_is_found_and_the_blob_named(packaged: Packaged, data: st.DataObject) -> None:
    digest = data.draw(st.sampled_from(referenced(packaged.layout)))
    path = reading.blob(packaged.layout, digest)
    whole = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    try:
        with pytest.raises(CorruptError) as caught:
            reading.verify(packaged.layout)
    finally:
        path.write_bytes(whole)
    assert digest in caught.value.sentence


def test_the_sentence_says_what_the_blob_is(packaged: Packaged) -> None:
    layer = next(one for one in packaged.layers if one.holds == "model churn")
    path = reading.blob(packaged.layout, layer.digest)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(CorruptError, match=r"holds [\d,]+ bytes, but [\d,]+ were written: model churn of 1.0.0-server"):
        reading.verify(packaged.layout)
    path.unlink()
    with pytest.raises(CorruptError, match=r"is missing: model churn of 1.0.0-server"):
        reading.verify(packaged.layout)


def test_sizes_are_those_on_the_disk(packaged: Packaged) -> None:
    found = reading.sizes(packaged.layout)
    assert [one.size for one in found] == [reading.blob(packaged.layout, one.digest).stat().st_size for one in found]
    assert [one.holds for one in found if one.tag == "1.0.0-server"] == [
        "base base.tar",
        "10 packages",
        "plumbline 1.0",
        "model churn",
    ]


def test_the_biggest_of_a_layer_comes_first(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    files = [Entry("a/b/c/d/e/one", b"x" * 10), Entry("a/b/c/d/two", b"x" * 20), Entry("z", b"x" * 25)]
    layer = writer.layer(files, "", mtime=0, compression="gzip")
    assert reading.biggest(tmp_path, layer.descriptor.digest)[:2] == [("a/b/c/d", 30), ("z", 25)]
    other = writer.blob(b"no tar at all", LAYER)
    with pytest.raises(InvalidError, match="cannot be listed"):
        reading.biggest(tmp_path, other.digest)


def test_gzip_layers_hold_the_same_files_under_another_digest(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    plain = writer.layer([Entry("a", b"x" * 1000)], "", mtime=0, compression="none")
    packed = writer.layer([Entry("a", b"x" * 1000)], "", mtime=0, compression="gzip")
    assert plain.diff_id == packed.diff_id == plain.descriptor.digest != packed.descriptor.digest
    assert packed.descriptor.media_type == f"{LAYER}+gzip"
    stored = reading.blob(tmp_path, packed.descriptor.digest).read_bytes()
    assert gzip.decompress(stored) == reading.blob(tmp_path, plain.diff_id).read_bytes()


def test_a_file_that_is_not_what_was_registered_is_not_stored(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"cut sho")
    with pytest.raises(CorruptError, match=r"model.onnx is sha256:.* was expected"):
        Writer(tmp_path / "w").file(tmp_path / "model.onnx", LAYER, "sha256:" + "0" * 64)


def index_of(layout: Path, *manifests: dict[str, Any]) -> None:
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(manifests)}))


def test_layouts_of_other_tools_are_read_nested_indexes_and_older_names_too(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    config = writer.document({"rootfs": {"diff_ids": []}, "history": [{"empty_layer": True}]}, CONFIG)
    unknown = writer.blob(b"text", "text/plain")
    body = {"config": config.as_dict(), "layers": [unknown.as_dict()]}
    manifest = writer.document(body, "application/vnd.docker.distribution.manifest.v2+json")
    inner = writer.document({"manifests": [manifest.as_dict()]}, INDEX)
    index_of(
        tmp_path, {**inner.as_dict(), "annotations": {"org.opencontainers.image.ref.name": "9"}}, unknown.as_dict()
    )
    assert reading.image(tmp_path).tag == "9"
    assert reading.verify(tmp_path) == 3
    assert reading.sizes(tmp_path)[0].holds == ""


def test_what_is_no_layout_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no OCI layout"):
        reading.images(tmp_path)
    index_of(tmp_path)
    with pytest.raises(NotFoundError, match="one image, but 0; tags there: none"):
        reading.image(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(CorruptError, match=r"index.json is no JSON"):
        reading.images(tmp_path)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(CorruptError, match="no JSON object"):
        reading.images(tmp_path)
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": 1}]}')
    with pytest.raises(CorruptError, match="no list 'manifests'"):
        reading.images(tmp_path)
    (tmp_path / "index.json").unlink()
    with pytest.raises(CorruptError, match=r"index.json is missing"):
        reading.images(tmp_path)


def test_manifests_that_are_not_whole_say_so(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    index_of(tmp_path, writer.document({"layers": []}, MANIFEST).as_dict())
    with pytest.raises(CorruptError, match="no configuration"):
        reading.images(tmp_path)
    one = writer.document({"manifests": []}, INDEX)
    for _ in range(5):
        one = writer.document({"manifests": [one.as_dict()]}, INDEX)
    index_of(tmp_path, one.as_dict())
    with pytest.raises(InvalidError, match="nested more than 3"):
        reading.images(tmp_path)


def test_a_digest_in_an_index_cannot_lead_out_of_the_layout(tmp_path: Path) -> None:
    index_of(tmp_path, {"mediaType": MANIFEST, "digest": "sha256:../../../etc/passwd", "size": 1})
    with pytest.raises(InvalidError, match="is no digest"):
        reading.images(tmp_path)


def test_a_document_too_large_for_a_manifest_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_of(tmp_path)
    monkeypatch.setattr(reading, "_MOST", 10)
    with pytest.raises(CorruptError, match="larger than"):
        reading.images(tmp_path)
