"""An OCI image of the model server: base, packages, Plumbline, model; each a layer, the model on top.

A new version of the model changes the topmost layer and the configuration, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plumbline.deployment.core.manifest import Format
from plumbline.deployment.packaging import base as bases
from plumbline.deployment.packaging import modelpack
from plumbline.deployment.packaging.archive import Compression, Entry
from plumbline.deployment.packaging.artefact import Stored, entries
from plumbline.deployment.packaging.descriptors import CONFIG, MODEL_DIGEST, Descriptor, timestamp
from plumbline.deployment.packaging.distributions import SITE, Distribution, Packages, closure
from plumbline.deployment.packaging.installed import OWN
from plumbline.deployment.packaging.interpreter import USER, Interpreter, architecture, collect
from plumbline.deployment.packaging.layout import Layer, Writer

PORT: Final = 8080
MODEL: Final = "opt/plumbline/model"
RUN: Final = "run/plumbline"
LAUNCHER: Final = "opt/plumbline/bin/plumb"
READY, LIVE = "/v2/health/ready", "/v2/health/live"

SERVER: Final = (
    "click",
    "httptools",
    "msgspec",
    "numpy",
    "onnxruntime",
    "prometheus-client",
    "semver",
    "uvicorn",
    "uvloop",
)
"""What the server imports; their own requirements follow."""
EXTRA: Final[Mapping[Format, tuple[str, ...]]] = {"onnx": (), "skops": ("skops", "scikit-learn", "pandas")}
"""What a model's format needs in addition."""

_LAUNCH = b"from plumbline.cli.main import main\n\nmain()\n"


@dataclass(frozen=True, slots=True)
class Options:
    """How an image is made.

    Args:
        base: See `base.take`.
        packages: Where distributions come from.
        extra: Requirements beyond those of the server: a gate's or a tracer's.
        compression: Of layers.
        mtime: Time in archives and configuration, Unix seconds.
    """

    base: str
    packages: Packages
    extra: tuple[str, ...] = ()
    compression: Compression = "none"
    mtime: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """An image that has been written.

    Args:
        descriptor: Of its manifest.
        layers: The lowest first.
        distributions: In it, Plumbline among them.
        base: What it stands on, None for nothing.
        interpreter: What it brought along, None if the base has one.
        entrypoint: What is run.
        command: Its arguments.
        environment: Variables, by name.
    """

    descriptor: Descriptor
    layers: tuple[Layer, ...]
    distributions: tuple[Distribution, ...]
    base: bases.Base | None
    interpreter: Interpreter | None
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]


def add(writer: Writer, stored: Stored, folder: Path, tag: str, options: Options) -> Built:
    """Write the server's image of a version.

    Args:
        writer: Of the layout.
        stored: The version.
        folder: Where its files are.
        tag: Name in the index.
        options: How.

    Raises:
        DeploymentError: Base, packages or files are missing, altered or do not fit; the sentence says which.
    """
    roots = (*SERVER, *EXTRA[stored.manifest.format], *options.extra)
    found = closure(options.packages, (*roots, OWN), leaves=frozenset({OWN}))
    below = bases.take(options.base, writer, mtime=options.mtime)
    brought = collect(found) if below is None else None
    python = below.python if below else brought.path if brought else ""
    layers = list(below.layers) if below else []
    layers += [
        writer.layer(held, what, mtime=options.mtime, compression=options.compression)
        for held, what in _contents(stored, folder, found, brought)
    ]
    entrypoint = (python, f"/{LAUNCHER}", "model", "serve")
    command = _command(stored)
    environment = {**(below.environment if below else {}), **_environment()}
    config = _config(stored, layers, environment, (entrypoint, command), options.mtime)
    platform = {"architecture": architecture(), "os": "linux"}
    described = writer.document(config, CONFIG)
    descriptor = writer.manifest(
        described,
        [one.descriptor for one in layers],
        tag=tag,
        annotations=modelpack.facts(stored),
        platform=platform,
    )
    return Built(descriptor, tuple(layers), tuple(found), below, brought, entrypoint, command, environment)


def _contents(
    stored: Stored, folder: Path, found: list[Distribution], brought: Interpreter | None
) -> Iterator[tuple[Iterable[Entry], str]]:
    """Yield the layers above the base with what each is: what changes most often last."""
    own = [one for one in found if one.name == OWN]
    libraries = [one for one in found if one.name != OWN]
    if brought is not None:
        yield brought.entries, f"Python {brought.path} and {len(brought.libraries)} system libraries"
    yield _files(libraries), f"{len(libraries)} packages"
    yield [*_files(own), *_own()], f"plumbline {own[0].version}"
    yield entries(stored, folder, MODEL), f"model {stored.manifest.model}"


def _files(distributions: Iterable[Distribution]) -> list[Entry]:
    return [entry for one in distributions for entry in one.entries()]


def _own() -> list[Entry]:
    return [Entry(LAUNCHER, _LAUNCH, executable=True), Entry(RUN, owner=USER, mode=0o700)]


def _command(stored: Stored) -> tuple[str, ...]:
    where = ("--folder", f"/{MODEL}", "--model", stored.manifest.model, "--ref", stored.version)
    return (*where, "--host", "0.0.0.0", "--port", str(PORT), "--admin", f"/{RUN}/admin.sock")  # noqa: S104 - a container


def _environment() -> dict[str, str]:
    return {
        "HOME": "/tmp",  # noqa: S108 - in the image nobody else is there
        "LANG": "C.UTF-8",
        "PATH": "/opt/plumbline/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"/{SITE}",
        "PYTHONUNBUFFERED": "1",
    }


def _config(
    stored: Stored,
    layers: list[Layer],
    environment: Mapping[str, str],
    run: tuple[tuple[str, ...], tuple[str, ...]],
    mtime: int,
) -> dict[str, Any]:
    created = timestamp(mtime)
    entrypoint, command = run
    labels = {
        **modelpack.facts(stored),
        "dev.plumbline.health.ready": f"http://:{PORT}{READY}",
        "dev.plumbline.health.live": f"http://:{PORT}{LIVE}",
        MODEL_DIGEST: stored.digest,
    }
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
            "Entrypoint": list(entrypoint),
            "Cmd": list(command),
            "WorkingDir": "/",
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": layer.created_by} for layer in layers],
    }
