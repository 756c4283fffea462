"""Write a version's package: the whole of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import ConflictError, DeploymentError
from plumbline.deployment.packaging import containerfile, image, modelpack, sbom
from plumbline.deployment.packaging.artefact import Source, Stored
from plumbline.deployment.packaging.descriptors import EMPTY, TITLE, Descriptor
from plumbline.deployment.packaging.layout import Writer
from plumbline.deployment.packaging.reading import LayerSize, sizes
from plumbline.deployment.registry.blobs import synced, unwritable

LAYOUT: Final = "oci"
SBOM: Final = "sbom.cdx.json"
CONTAINERFILE: Final = "Containerfile"


@dataclass(frozen=True, slots=True)
class Packaged:
    """A package that stands in its folder.

    Args:
        folder: It.
        stored: The version inside.
        artefact: What names the model's artefact.
        artefact_tag: Its tag in the layout.
        image: What names the server's image, None if none was asked for.
        image_tag: Its tag in the layout.
        layers: Every layer of both.
    """

    folder: Path
    stored: Stored
    artefact: Descriptor
    artefact_tag: str
    image: Descriptor | None
    image_tag: str | None
    layers: tuple[LayerSize, ...]

    @property
    def layout(self) -> Path:
        """The OCI layout inside the folder."""
        return self.folder / LAYOUT


def package(
    source: Source, model: str, ref: str, to: Path, *, options: image.Options | None, mtime: int = 0, over: bool = False
) -> Packaged:
    """Write the artefact of a version, its bill of materials and, with options, the server's image.

    Args:
        source: The registry.
        model: The model's name.
        ref: Version, alias or digest.
        to: Folder to make; it appears when everything in it is on the disk.
        options: Of the image; None for the artefact alone.
        mtime: Time in archives, Unix seconds.
        over: Replace what stands in the folder.

    Raises:
        DeploymentError: Something is missing, altered or in the way; then the folder is as it was.
    """
    stored = source.get(model, ref)
    to = to.absolute()
    with _disk(to):
        if not over and to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise ConflictError(f"{to} is there and not empty: choose another folder, or --replace it", path=str(to))
        to.parent.mkdir(parents=True, exist_ok=True)
        with _beside(to) as work:
            files = source.materialise(model, stored.digest, work / "files")
            fresh = work / "package"
            (fresh / LAYOUT).mkdir(parents=True)
            written = _written(stored, files, fresh, options, mtime)
            _onto_disk(fresh)
            _exchange(fresh, to, work / "old")
    artefact, described = written
    name = stored.version
    tag = f"{name}-server" if described else None
    return Packaged(to, stored, artefact, name, described, tag, tuple(sizes(to / LAYOUT)))


def _written(
    stored: Stored, files: Path, folder: Path, options: image.Options | None, mtime: int
) -> tuple[Descriptor, Descriptor | None]:
    writer = Writer(folder / LAYOUT)
    artefact = modelpack.add(writer, stored, files, stored.version)
    built = image.add(writer, stored, files, f"{stored.version}-server", options) if options else None
    subject = built.descriptor if built else artefact
    bill = encode(sbom.document(stored, subject, built, mtime=mtime))
    (folder / SBOM).write_bytes(bill)
    writer.manifest(
        writer.blob(b"{}", EMPTY),
        [writer.blob(bill, sbom.MEDIA_TYPE, **{TITLE: SBOM})],
        tag=None,
        annotations=modelpack.facts(stored),
        artifact_type=sbom.MEDIA_TYPE,
        subject=subject,
    )
    writer.finish()
    if built:
        (folder / CONTAINERFILE).write_text(containerfile.text(built, LAYOUT), encoding="utf-8")
    return artefact, built.descriptor if built else None


@contextmanager
def _disk(to: Path) -> Iterator[None]:
    try:
        yield
    except DeploymentError:
        raise
    except OSError as error:
        raise unwritable(to, error) from error


@contextmanager
def _beside(to: Path) -> Iterator[Path]:
    """Give a folder on the same file system that is gone afterwards, whatever happened."""
    work = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}."))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _onto_disk(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            with Path(root, name).open("rb") as file:
                os.fsync(file.fileno())
        synced(Path(root))


def _exchange(fresh: Path, to: Path, aside: Path) -> None:
    fresh.chmod(0o755)
    moved = to.exists()
    if moved:
        to.rename(aside)
    try:
        fresh.rename(to)
    except OSError:
        if moved:
            aside.rename(to)
        raise
    synced(to.parent)
