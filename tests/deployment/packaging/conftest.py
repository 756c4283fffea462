"""A registry of two versions, and a wheelhouse with tiny stand-ins for what the server needs."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.errors import NotFoundError
from plumbline.deployment.core.manifest import File, Golden, Lineage, Manifest
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.packaging.image import SERVER, Options
from plumbline.deployment.packaging.wheelhouse import Wheelhouse

BUILDAH = """#!{python}
import http.server, json, os, pathlib, sys
words = sys.argv[1:]
with open(os.environ["SEEN"], "a") as log:
    log.write(json.dumps(words) + "\\n")
if "--version" in words:
    print("buildah version 9.9")
elif "from" in words:
    if os.environ["MODE"] == "refuses":
        sys.exit("Error: no such image")
    layout = words[-1].removeprefix("oci:").rpartition(":")[0]
    assert pathlib.Path(layout).is_absolute() and (pathlib.Path(layout) / "index.json").is_file()
    print("one-working-container")
elif "run" in words:
    if os.environ["MODE"] == "dies":
        print("ImportError: no module named onnxruntime")
        sys.exit(3)
    asked = 0
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body):
            self.send_response(status)
            self.send_header("x-model-version", "1.0.0+abc")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())
        def do_GET(self):
            global asked
            asked += 1
            self.answer(503 if asked < 3 or os.environ["MODE"] == "never" else 200, {{}})
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with open(os.environ["SEEN"], "a") as log:
                log.write(json.dumps(body) + "\\n")
            if os.environ["MODE"] == "rejects":
                return self.answer(422, {{"error": "no such input"}})
            if os.environ["MODE"] == "babbles":
                return self.answer(200, {{"outputs": 3}})
            score = json.loads(os.environ["SCORE"])
            self.answer(200, {{"outputs": [{{"name": "score", "shape": [2], "datatype": "FP64", "data": score}}]}})
    port = int(words[words.index("--port") + 1])
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Version:
    manifest: Manifest
    version: str
    digest: str
    data: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Shelf:
    """What packaging asks a registry for."""

    versions: dict[str, Version]

    def get(self, model: str, ref: str) -> Version:
        for one in self.versions.values():
            if model == one.manifest.model and (
                ref in (one.version, "candidate") or (ref.startswith("sha256:") and one.digest.startswith(ref))
            ):
                return one
        raise NotFoundError(f"there is no {model}@{ref}")

    def materialise(self, model: str, ref: str, folder: Path) -> Path:
        for path, data in self.get(model, ref).data.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


def version(number: str, weights: bytes, **more: object) -> Version:
    data = {"model.onnx": weights, "notes/READING.md": b"# How to read it\n", "prepare.py": b"pass\n"}
    manifest = Manifest(
        "churn",
        "onnx",
        "model.onnx",
        tuple(File(path, digest_of(one), len(one)) for path, one in sorted(data.items())),
        Signature((Feature("age", "int"), Feature("plan", "string", nullable=True)), (Output("score"),)),
        Golden({"age": (30, 40), "plan": ("free", None)}, {"score": (0.25, 0.5)}),
        Lineage(data="sha256:" + "d" * 64, code="a1b2c3", trained_at=1_700_000_000.5),
        {"roc_auc": 0.81},
        "# Churn\n\nWho leaves.\n",
    )
    manifest = replace(manifest, **more)  # type: ignore[arg-type]
    return Version(manifest, number, identity(manifest), data)


@pytest.fixture
def shelf() -> Any:
    return Shelf({"1.0.0": version("1.0.0", b"weights" * 500), "1.0.1": version("1.0.1", b"others!" * 500)})


def wheel(folder: Path, name: str, number: str = "1.0", requires: tuple[str, ...] = (), **files: bytes) -> Path:
    flat = name.replace("-", "_")
    info = f"{flat}-{number}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    held = {
        f"{flat}/__init__.py": f"NAME = '{name}'\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\nLicense: MIT\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\n",
        f"{info}/INSTALLER": b"pip\n",
        **files,
    }
    path = folder / f"{flat}-{number}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in held.items():
            archive.writestr(inside, data)
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in SERVER:
        wheel(folder, name, requires=("flatbuffers>=1",) if name == "onnxruntime" else ())
    wheel(folder, "flatbuffers")
    wheel(folder, "plumbline", requires=("never-followed",))
    return folder


def rootfs(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"\x7fELF"))
    return out.getvalue()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.tar"
    path.write_bytes(rootfs(f"usr/bin/{PYTHON}", "bin/sh"))
    return path


@pytest.fixture
def options(wheels: Path, base: Path) -> Options:
    return Options(str(base), Wheelhouse(wheels))


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., Path]:
    """Install a package of one file into a folder, as pip leaves it."""

    def install(name: str, data: bytes = b"x = 1\n", direct: str = "") -> Path:
        site = tmp_path / "site"
        info = site / f"{name}-1.0.dist-info"
        (site / name / "__pycache__").mkdir(parents=True)
        info.mkdir()
        (site / name / "__init__.py").write_bytes(data)
        (site / name / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"time of today")
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nClassifier: License :: OSI Approved :: MIT License\n"
        )
        (info / "INSTALLER").write_text("pip\n")
        if direct:
            (info / "direct_url.json").write_text(direct)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        (info / "RECORD").write_text(
            f"{name}/__init__.py,sha256={digest},{len(data)}\n{name}/__pycache__/__init__.cpython-311.pyc,,\n"
            f"{info.name}/METADATA,,\n{info.name}/INSTALLER,,\n{info.name}/RECORD,,\n../../bin/{name},,\n"
        )
        return site

    return install


def echo(path: Path) -> Manifest:
    """Write a real graph that answers what it is asked, and return its manifest."""
    import onnx
    from onnx import helper

    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["score"])],
        "echo",
        [helper.make_tensor_value_info("x", kind, [None])],
        [helper.make_tensor_value_info("score", kind, [None])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    data = path.read_bytes()
    return Manifest(
        "echo",
        "onnx",
        path.name,
        (File(path.name, digest_of(data), len(data)),),
        Signature((Feature("x"),), (Output("score"),)),
        Golden({"x": (0.5, 2.0)}, {"score": (0.5, 2.0)}),
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """What tests make for themselves."""
    return SimpleNamespace(version=version, wheel=wheel, rootfs=rootfs, Shelf=Shelf, echo=echo)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for buildah on the PATH, and say where it writes what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "buildah"
    program.write_text(BUILDAH.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("MODE", "answers")
    monkeypatch.setenv("SCORE", "[0.25, 0.5]")
    return tmp_path / "seen"


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files and folders that were asked to be on the disk, in order; nobody waits for it."""
    found: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: found.append(str(Path(f"/proc/self/fd/{number}").resolve())))
    return found
