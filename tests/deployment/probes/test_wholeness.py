"""Files of models, as they come: whole, altered, cut short, never fetched, or something else."""

import hashlib
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from small_artefacts import LOOKING, artefact

from plumbline.deployment.evidence_artefacts import artefact_from_path, stored_from_registry
from plumbline.deployment.probes.formats import flaw
from plumbline.deployment.probes.sums import Expected, of
from plumbline.deployment.probes.wholeness import compare
from plumbline.deployment.registry.store import Registry
from plumbline.evidence import Endpoint, UnavailableError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 41233\n"
ONNX = b"\x08\x0a" + b"\x3a\x84\x02" + b"g" * 260 + b"\x42\x02\x10\x11"  # ir_version, a graph of 260 bytes, an opset


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tensors(length: int) -> bytes:
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\1" * length


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("schema.json", "{}" * 400)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.onnx", ONNX, None),
        ("model.onnx", ONNX[:200], "truncated"),
        ("model.onnx", ONNX[:3], "truncated"),
        ("model.onnx", ONNX[:-2] + b"\x10", "truncated"),
        ("model.onnx", b"\x0d\1\2\3\4\x11" + b"8" * 8, None),
        ("model.onnx", b"\x0fno protobuf", None),
        ("model.onnx", POINTER, "lfs-pointer"),
        ("model.onnx", b"<!doctype html><p>Sign in", "web-page"),
        ("model.onnx", b"", "empty"),
        ("model.onnx", pickle.dumps([1]), "pickle"),
        ("model.pkl", pickle.dumps([1]), None),
        ("model.pkl", POINTER, "lfs-pointer"),
        ("w.safetensors", tensors(16), None),
        ("w.safetensors", tensors(15), "truncated"),
        ("w.safetensors", tensors(16)[:20], "truncated"),
        ("w.safetensors", struct.pack("<Q", 4) + b"nope", None),
        ("model.skops", archive(), None),
        ("model.skops", archive()[:300], "truncated"),
    ],
)
def test_a_files_own_bytes_say_what_it_is(tmp_path, name, content, kind):
    path = tmp_path / "blob"
    path.write_bytes(content)
    assert flaw(path, name) == kind


def test_a_file_is_held_against_its_size_and_digest(tmp_path):
    def seen(content: bytes, size: int | None = None) -> str | None:
        path = tmp_path / "weights.bin"
        path.write_bytes(content)
        (one,) = compare([Expected(path, "weights.bin", digest(b"w" * 9000), size)], within_s=60)
        return one.kind

    assert seen(b"w" * 9000, 9000) is None
    assert seen(b"w" * 8999 + b"x", 9000) == "altered"
    assert seen(b"w" * 500, 9000) == "truncated"
    assert seen(b"w" * 9001, 9000) == "altered"
    assert seen(b"w" * 4000 + b"\0" * 5000, 9000) == "truncated"  # room that was never filled
    assert seen(b"w" * 500) == "altered"  # nobody says how long it should be
    (gone,) = compare([Expected(tmp_path / "gone", "gone", digest(b""))], within_s=60)
    assert gone.kind == "missing"


def test_without_time_a_file_is_unread_and_not_called_whole(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"w")
    ticks = iter((0.0, 99.0))
    (one,) = compare([Expected(path, "weights.bin", digest(b"w"))], within_s=1, clock=lambda: next(ticks))
    assert (one.kind, one.read, one.unread) == (None, False, True)


def by_name(place: Path) -> dict[str, str | None]:
    return {one.name: one.digest for one in of(place, 100)}


def test_digests_come_from_manifests_lists_and_names(tmp_path):
    content = b"weights"
    named = digest(content).removeprefix("sha256:")
    for path in ("churn/model.onnx", "churn/tokens.txt", f"cache/blobs/{named}", f"docker/ab/{'0' * 62}/data"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    manifest = {"files": [{"path": "model.onnx", "digest": "sha256:aa", "size": 7}, {"path": "../out", "digest": "x"}]}
    (tmp_path / "churn/plumbline.json").write_text(json.dumps(manifest))
    (tmp_path / "churn/SHA256SUMS").write_text(f"{'b' * 64}  tokens.txt\nnot a line\n")
    (tmp_path / "churn/tokens.txt.sha256").write_text(f"{'b' * 64}\n")
    found = by_name(tmp_path)
    assert found["churn/model.onnx"] == "sha256:aa"
    assert found["churn/tokens.txt"] == f"sha256:{'b' * 64}"
    assert found[f"cache/blobs/{named}"] == f"sha256:{named}"
    assert found[f"docker/ab/{'0' * 62}/data"] == f"sha256:ab{'0' * 62}"
    assert found["churn/SHA256SUMS"] is None
    assert not any("out" in name for name in found)
    assert by_name(tmp_path / "churn/model.onnx") == {"model.onnx": "sha256:aa"}
    assert len(of(tmp_path, 2)) == 2


def layout(folder: Path) -> dict[str, bytes]:
    """An image layout with one manifest, as other tools write it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def put(content: bytes, kind: str) -> dict[str, object]:
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    layer, config = b"l" * 5000, b'{"rootfs": {}}'
    told = {
        "config": put(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [put(layer, "application/vnd.oci.image.layer.v1.tar"), {"digest": 3}],
    }
    body = json.dumps(told).encode()
    index = {"manifests": [put(body, "application/vnd.oci.image.manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    return {"layer": layer, "manifest": body}


def test_a_layouts_blobs_are_compared_with_their_descriptors(tmp_path):
    parts = layout(tmp_path)
    whole = artefact_from_path(Endpoint("x", artefact=str(tmp_path)))
    assert (whole.files, whole.compared, whole.flaws) == (5, 3, ())
    path = tmp_path / "blobs" / "sha256" / digest(parts["layer"]).removeprefix("sha256:")
    path.write_bytes(parts["layer"][:4000])
    (one,) = artefact_from_path(Endpoint("x", artefact=str(tmp_path))).flaws
    assert (one.kind, one.size, one.expected, one.needed) == ("truncated", 4000, 5000, True)
    path.unlink()
    assert artefact_from_path(Endpoint("x", artefact=str(tmp_path))).flaws[0].kind == "missing"
    (tmp_path / "index.json").write_text("no JSON")
    assert artefact_from_path(Endpoint("x", artefact=str(tmp_path))).flaws == ()


def test_an_artefact_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UnavailableError, match="does not exist"):
        artefact_from_path(Endpoint("x", artefact=str(tmp_path / "nowhere")))


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(b"w")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "w.bin")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnavailableError, match=r"w\.bin may not be read"):
        artefact_from_path(Endpoint("x", artefact=str(tmp_path)))


def test_other_registries_are_told_what_to_name_instead(tmp_path):
    with pytest.raises(UnavailableError, match="MLflow keeps no digests"):
        stored_from_registry(Endpoint("x", registry="http://mlflow.internal:5000"))
    with pytest.raises(UnavailableError, match="name the folder of its files as artefact"):
        stored_from_registry(Endpoint("x", registry=str(tmp_path)))


def test_a_registrys_damaged_blob_is_named_with_its_version(tmp_path):
    with Registry.open(tmp_path / "registry") as registry:
        for content in (ONNX, ONNX + ONNX[-4:]):
            manifest, files = artefact(tmp_path / "made", content)
            registry.register(manifest, files, by="ada", looking=LOOKING)
        registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="first")
        file = registry.get("churn", "1.0.0").manifest.files[0]
        path = registry.blobs.path(file.digest)
    endpoint = Endpoint("x", registry=str(tmp_path / "registry"), model="churn")
    whole = stored_from_registry(endpoint)
    assert whole.files == whole.compared >= 2
    assert whole.flaws == ()
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 0xFF]) + path.read_bytes()[1:])
    (one,) = stored_from_registry(endpoint).flaws
    assert one.kind == "altered"
    assert one.needed
    assert one.name == f"churn 1.0.0, {file.path}"
