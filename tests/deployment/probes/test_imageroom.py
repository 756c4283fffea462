"""What takes an image's room, layer on layer: read from layouts that are built here, and from some that are none."""

import json
from pathlib import Path

import pytest

from plumbline.deployment.evidence_image import image_from_layout, room
from plumbline.deployment.packaging.reading import blob, image
from plumbline.deployment.probes.ballast import kind
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.images import build

SITE = "usr/lib/python3/site-packages"
BIG = bytes(range(256)) * 400
"""100 KiB, from which on files are compared."""


def built(folder: Path, text: str, files: dict[str, bytes], *, squash: bool = False) -> Path:
    for path, content in files.items():
        target = folder / "context" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    build(text, folder / "context", folder / "image", squash=squash)
    return folder / "image"


def seen(layout: Path):
    return image_from_layout(Endpoint("image", artefact=str(layout)))


@pytest.mark.parametrize(
    ("path", "which"),
    [
        (f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9", "gpu"),
        (f"{SITE}/torch/lib/libtorch_cuda.so", "gpu"),
        (f"{SITE}/torch/lib/libtorch_cpu.so", None),
        (f"{SITE}/onnxruntime/capi/libonnxruntime_providers_cuda.so", "gpu"),
        ("usr/local/cuda-12.4/lib64/libcudart.so", "gpu"),
        ("usr/lib/gcc/x86_64-linux-gnu/12/cc1plus", "tools"),
        ("usr/bin/x86_64-linux-gnu-g++-12", "tools"),
        ("usr/bin/gold-digger", None),
        ("tmp/torch-2.9-cp312-linux_x86_64.whl", "tools"),
        ("root/.cache/pip/http-v2/8/3", "cache"),
        ("home/app/.cache/huggingface/hub/model.safetensors", None),
        ("var/lib/apt/lists/deb.debian.org_InRelease", "cache"),
        ("opt/conda/pkgs/mkl-2024.0/lib/libmkl.so", "cache"),
        ("srv/.git/objects/pack/a.pack", "data"),
        ("srv/data/2025/train.csv", "data"),
        ("srv/explore.ipynb", "data"),
        (f"{SITE}/sklearn/datasets/data/iris.csv", None),
        (f"{SITE}/pyarrow/tests/a.parquet", None),
        ("srv/model/model.onnx", None),
        ("usr/bin/python3.12", None),
    ],
)
def test_paths_tell_what_a_server_does_without(path: str, which: str | None) -> None:
    assert kind(path, gpu=False) == which
    assert kind(path, gpu=True) == (None if which == "gpu" else which)


def test_what_a_later_layer_deletes_or_replaces_is_counted_and_what_it_shows_is_not(tmp_path: Path) -> None:
    files = {"a/tools/cc": BIG, "a/tools/ld": BIG, "a/app": b"1", "b/app": b"22"}
    told = seen(built(tmp_path, "FROM scratch\nCOPY a/ /srv/\nRUN rm -rf /srv/tools\nCOPY b/ /srv/\n", files))
    (hidden,) = told.ballast
    assert (hidden.kind, hidden.size, hidden.files) == ("deleted", 2 * len(BIG) + 1, 3)
    assert told.layers == 3
    assert told.unpacked_bytes == 2 * len(BIG) + 3
    assert [(one.name, one.size) for one in told.biggest] == [("srv/app", 2)]
    squashed = seen(built(tmp_path, "FROM scratch\nCOPY a/ /srv/\nRUN rm -rf /srv/tools\n", files, squash=True))
    assert (squashed.layers, squashed.ballast, squashed.unpacked_bytes) == (1, (), 1)


def test_a_second_copy_is_ballast_once_and_small_equal_files_are_not(tmp_path: Path) -> None:
    files = {"model.onnx": BIG, "old/model.onnx": BIG, "one": b"", "two": b""}
    (twice,) = seen(built(tmp_path, "FROM scratch\nCOPY . /srv/\n", files)).ballast
    assert (twice.kind, twice.size, twice.biggest) == ("twice", len(BIG), "srv/old/model.onnx")


def test_distributions_are_weighed_by_their_own_lists(tmp_path: Path) -> None:
    record = "numpy/core.so,sha256=x,1\nnumpy/gone.py,,\nnumpy-2.3.1.dist-info/RECORD,,\n"
    files = {f"{SITE}/numpy/core.so": BIG, f"{SITE}/numpy-2.3.1.dist-info/RECORD": record.encode()}
    told = seen(built(tmp_path, "FROM scratch\nCOPY . /\n", files | {f"{SITE}/x/__pycache__/a.pyc": b"123"}))
    assert [(one.name, one.size) for one in told.distributions] == [("numpy 2.3.1", len(BIG) + len(record))]
    assert told.bytecode_bytes == 3
    assert told.ballast == ()


def test_labels_say_the_limit_and_that_it_is_for_gpus(tmp_path: Path) -> None:
    text = "FROM scratch\nLABEL dev.plumbline.size.limit=1000\nLABEL dev.plumbline.accelerator=cuda\nCOPY . /\n"
    told = seen(built(tmp_path, text, {"usr/local/cuda/lib64/libcudart.so": BIG}))
    assert (told.limit_bytes, told.gpu, told.ballast) == (1000, True, ())
    bare = seen(built(tmp_path, "FROM scratch\nLABEL dev.plumbline.size.limit=1GB\nCOPY . /\n", {}))
    assert (bare.limit_bytes, bare.gpu, bare.ballast[0].kind) == (None, False, "gpu")


def test_what_cannot_be_listed_or_has_no_time_is_counted_as_unread(tmp_path: Path) -> None:
    layout = built(tmp_path, "FROM scratch\nCOPY . /\n", {"app": BIG})
    assert room(layout, image(layout), within_s=-1.0).unread == 1
    layer = image(layout).manifest["layers"][0]["digest"]
    blob(layout, layer).write_bytes(b"\x28\xb5\x2f\xfd zstd")
    assert seen(layout).unread == 1


def test_what_is_no_layout_or_holds_no_image_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no OCI layout.*skopeo copy") as none:
        seen(tmp_path)
    assert none.value.reason == "unreachable"
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "index.json").write_text(json.dumps({"manifests": []}))
    with pytest.raises(UnavailableError, match="artefacts and no image"):
        seen(tmp_path)
