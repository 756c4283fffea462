"""The image is the same for the same inputs, changes in one layer with the model, and needs neither root nor shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import CorruptError, DeploymentError, InvalidError, NotFoundError
from plumbline.deployment.packaging import base as bases
from plumbline.deployment.packaging import interpreter, libraries, reading
from plumbline.deployment.packaging.artefact import entries
from plumbline.deployment.packaging.distributions import closure
from plumbline.deployment.packaging.image import SERVER, Options
from plumbline.deployment.packaging.installed import Installed
from plumbline.deployment.packaging.package import package
from plumbline.deployment.packaging.wheelhouse import Wheelhouse


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_same_inputs_give_the_same_bytes_elsewhere_later_and_under_another_umask(
    shelf: Any, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Any
) -> None:
    options = replace(options, compression=compression)
    first = package(shelf, "churn", "1.0.0", tmp_path / "here", options=options)
    before = os.umask(0o077)
    try:
        later = time.time() + 1e7
        monkeypatch.setattr(time, "time", lambda: later)
        wheels = Wheelhouse(Path(options.packages.folder))  # type: ignore[attr-defined]
        for path in wheels.folder.iterdir():
            os.utime(path, (later, later))
        there = tmp_path / "there/further"
        second = package(shelf, "churn", "candidate", there, options=replace(options, packages=wheels))
    finally:
        os.umask(before)
    assert first.image == second.image
    assert tree(first.folder) == tree(second.folder)


def test_only_the_model_layer_changes_with_the_model(shelf: Any, options: Options, tmp_path: Path) -> None:
    layers = []
    for number in ("1.0.0", "1.0.1"):
        packaged = package(shelf, "churn", number, tmp_path / number, options=options)
        layers.append([one.digest for one in packaged.layers if one.tag == packaged.image_tag])
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_the_server_runs_as_nobody_with_the_model_that_was_packaged(
    shelf: Any, options: Options, tmp_path: Path
) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    one = reading.image(packaged.layout, packaged.image_tag)
    config = one.config["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"][1:] == ["/opt/plumbline/bin/plumb", "model", "serve"]
    assert config["Cmd"][:6] == ["--folder", "/opt/plumbline/model", "--model", "churn", "--ref", "1.0.0"]
    assert config["Labels"]["dev.plumbline.health.ready"] == "http://:8080/v2/health/ready"
    assert config["Labels"]["dev.plumbline.model.digest"] == packaged.stored.digest
    assert one.config["created"] == "1970-01-01T00:00:00Z"
    assert len(one.config["rootfs"]["diff_ids"]) == len(one.manifest["layers"])
    with tarfile.open(reading.blob(packaged.layout, one.manifest["layers"][-1]["digest"])) as archive:
        assert "opt/plumbline/model/model.onnx" in archive.getnames()
        number = archive.extractfile("opt/plumbline/model/VERSION")
        assert number is not None
        assert number.read() == b"1.0.0\n"


def test_a_file_that_packages_need_for_themselves_is_refused(options: Options, make: Any, tmp_path: Path) -> None:
    one = make.version("1.0.0", b"w")
    shelf = make.Shelf(
        {"1": make.version("1.0.0", b"w", files=(*one.manifest.files, replace(one.manifest.files[0], path="VERSION")))}
    )
    shelf.versions["1"].data["VERSION"] = b"w"
    with pytest.raises(InvalidError, match="called 'VERSION'"):
        package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)


def test_the_base_may_be_a_layout_a_tar_file_or_a_folder(shelf: Any, options: Options, tmp_path: Path) -> None:
    first = package(shelf, "churn", "1.0.0", tmp_path / "first", options=options)
    layout = first.layout
    second = package(
        shelf, "churn", "1.0.0", tmp_path / "second", options=replace(options, base=f"{layout}:1.0.0-server")
    )
    below = [one.digest for one in first.layers if one.tag == first.image_tag]
    above = [one.digest for one in second.layers if one.tag == second.image_tag]
    assert above[: len(below)] == below
    assert len(above) == len(below) + 3
    assert (
        package(shelf, "churn", "1.0.0", tmp_path / "third", options=replace(options, base=str(layout))).image
        == second.image
    )
    root = tmp_path / "root"
    with tarfile.open(options.base) as archive:
        archive.extractall(root, filter="data")
    (root / "usr/local/bin").mkdir(parents=True)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (root / f"usr/local/bin/{name}").write_bytes(b"")
    (root / "link").symlink_to("usr")
    third = package(shelf, "churn", "1.0.0", tmp_path / "fourth", options=replace(options, base=str(root)))
    config = reading.image(third.layout, third.image_tag).config["config"]
    assert config["Entrypoint"][0] == f"/usr/local/bin/{name}"


def test_a_base_without_this_python_is_refused_and_says_what_it_has(
    shelf: Any, options: Options, make: Any, tmp_path: Path
) -> None:
    path = tmp_path / "old.tar"
    path.write_bytes(make.rootfs("usr/bin/python2.7"))
    with pytest.raises(NotFoundError, match=r"has no python3\.\d+ \(but usr/bin/python2.7\)"):
        package(shelf, "churn", "1.0.0", tmp_path / "out", options=replace(options, base=str(path)))


def test_what_an_upper_layer_of_the_base_removes_is_not_there(tmp_path: Path, make: Any) -> None:
    (tmp_path / "a.tar").write_bytes(make.rootfs("usr/bin/python3.11"))
    (tmp_path / "b.tar").write_bytes(make.rootfs("usr/bin/.wh.python3.11"))
    names = bases._after(bases._after(set(), tmp_path / "a.tar"), tmp_path / "b.tar")
    assert names == set()


def test_a_base_for_another_machine_is_refused(
    shelf: Any, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = package(shelf, "churn", "1.0.0", tmp_path / "first", options=options)
    monkeypatch.setattr(bases, "architecture", lambda: "riscv64")
    with pytest.raises(InvalidError, match=r"is for linux/\w+, this is linux/riscv64"):
        package(
            shelf, "churn", "1.0.0", tmp_path / "out", options=replace(options, base=f"{first.layout}:1.0.0-server")
        )


def test_a_base_that_is_nothing_of_the_kind_is_refused(shelf: Any, options: Options, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    for given in ("nowhere", str(tmp_path / "text"), f"{tmp_path}/nowhere:1"):
        with pytest.raises(NotFoundError, match="neither 'none' nor an OCI layout"):
            package(shelf, "churn", "1.0.0", tmp_path / "out", options=replace(options, base=given))


def test_a_compressed_base_and_one_that_cannot_be_listed_say_so(shelf: Any, options: Options, tmp_path: Path) -> None:
    import gzip

    packed = tmp_path / "base.tgz"
    packed.write_bytes(gzip.compress(Path(options.base).read_bytes()))
    with pytest.raises(InvalidError, match=r"base.tgz is compressed"):
        package(shelf, "churn", "1.0.0", tmp_path / "out", options=replace(options, base=str(packed)))
    (tmp_path / "zstd").write_bytes(b"\x28\xb5\x2f\xfd and so on")
    with pytest.raises(InvalidError, match="cannot be listed"):
        bases._after(set(), tmp_path / "zstd")


def test_an_altered_base_is_refused(shelf: Any, options: Options, tmp_path: Path) -> None:
    first = package(shelf, "churn", "1.0.0", tmp_path / "first", options=options)
    layer = next(one for one in first.layers if one.holds == "base base.tar")
    path = reading.blob(first.layout, layer.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CorruptError, match="altered or cut short"):
        package(
            shelf, "churn", "1.0.0", tmp_path / "out", options=replace(options, base=f"{first.layout}:1.0.0-server")
        )


def test_a_registered_file_that_is_gone_or_altered_is_named(shelf: Any, tmp_path: Path) -> None:
    one = shelf.get("churn", "1.0.0")
    folder = shelf.materialise("churn", "1.0.0", tmp_path / "files")
    assert {entry.path for entry in entries(one, folder, "m")} >= {"m/VERSION", "m/manifest.json", "m/model.onnx"}
    (folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(CorruptError, match=r"'model.onnx' of the version was altered"):
        list(entries(one, folder, "m"))
    (folder / "model.onnx").unlink()
    with pytest.raises(CorruptError, match=r"'model.onnx' of the version is missing"):
        list(entries(one, folder, "m"))


def test_skops_models_bring_their_reader(shelf: Any, options: Options, make: Any, tmp_path: Path) -> None:
    other = make.Shelf({"1": make.version("1.0.0", b"w", format="skops")})
    with pytest.raises(NotFoundError, match=r"needs (pandas|scikit-learn|skops) for the server"):
        package(other, "churn", "1.0.0", tmp_path / "out", options=options)


def test_without_a_base_the_image_brings_python_and_every_library_but_no_shell(
    shelf: Any, tmp_path: Path, make: Any, wheels: Path
) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=Options("none", Wheelhouse(wheels)))
    layer = next(one for one in packaged.layers if one.holds.startswith("Python"))
    with tarfile.open(reading.blob(packaged.layout, layer.digest)) as archive:
        members = {one.name: one for one in archive}
    names = {Path(name).name for name in members}
    assert {"libc.so.6", "libgcc_s.so.1", "os.py", "passwd"} <= names
    assert any(name.startswith("ld-linux") for name in names)
    assert not {"sh", "bash", "pip", "tkinter", "idlelib", "test"} & names
    assert all(one.uid == 0 and one.mtime == 0 for one in members.values())
    assert members["tmp"].mode == 0o1777
    bill = json.loads((packaged.folder / "sbom.cdx.json").read_text())
    python = next(one for one in bill["components"] if one["bom-ref"] == "interpreter")
    assert "libc.so.6" in {one["name"] for one in python["components"]}


def test_a_library_that_is_not_here_is_named_with_who_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = {name: path for name, path in libraries._cache().items() if name != "libgcc_s.so.1"}
    monkeypatch.setattr(libraries, "_cache", lambda: cache)
    with pytest.raises(NotFoundError, match=r"glibc needs the library libgcc_s.so.1"):
        libraries.asked_for([])


def test_systems_without_glibc_or_linux_want_a_base(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout = "nothing\n"

    monkeypatch.setattr(libraries.subprocess, "run", lambda *_, **__: Done)
    with pytest.raises(InvalidError, match="a machine with glibc"):
        libraries.asked_for([])

    def broken(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("ldconfig")

    monkeypatch.setattr(libraries.subprocess, "run", broken)
    with pytest.raises(InvalidError, match="needs glibc's ldconfig"):
        libraries.asked_for([])
    monkeypatch.setattr(interpreter.sys, "platform", "darwin")
    with pytest.raises(InvalidError, match="this is none"):
        interpreter.collect([])


def test_the_image_holds_everything_that_the_server_imports(make: Any, tmp_path: Path) -> None:
    site, model = tmp_path / "site", tmp_path / "model"
    for path in (site, model):
        path.mkdir()
    for one in closure(Installed(), (*SERVER, "plumbline"), leaves=frozenset({"plumbline"})):
        for inside, source, _ in one.files:
            top = Path(inside).parts[0]
            if isinstance(source, Path) and not (site / top).exists():
                (site / top).symlink_to(str(source).removesuffix(inside) + top)
    manifest = make.echo(model / "model.onnx")
    code = f"""
import sys
sys.path.append({str(site)!r})
import pathlib, msgspec
import plumbline.cli.model_serve, plumbline.deployment.serving.running
from plumbline.deployment.core.encoding import decode
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.models import load
manifest = decode({encode(manifest)!r}, Manifest, "here")
print(load(pathlib.Path({str(model)!r}), manifest, digest="sha256:" + "0" * 64, threads=1).digest)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_error_is_a_sentence(shelf: Any, options: Options, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="there is no other@1"):
        package(shelf, "other", "1", tmp_path / "out", options=options)
