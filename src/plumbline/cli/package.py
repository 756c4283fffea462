"""`plumb package`: a registered version as an OCI artefact, and as an image of its server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plumbline.deployment.packaging.artefact import Source
    from plumbline.deployment.packaging.image import Options
    from plumbline.deployment.packaging.package import Packaged
    from plumbline.deployment.packaging.prove import Proof

DEFAULT_REF = "candidate"
_path = click.Path(path_type=Path)


@click.command(epilog="Exit codes: 0 written (and proven), 1 refused or failed, 2 usage.")
@click.argument("model", metavar="MODEL[@REF]")
@click.option("--registry", envvar="PLUMBLINE_REGISTRY", metavar="URL", help="Folder or postgresql://…")
@click.option("--blobs", type=_path, metavar="DIR", help="Files of a registry whose metadata are in Postgres.")
@click.option("--to", type=_path, required=True, metavar="DIR", help="Folder to write; it must not exist or be empty.")
@click.option("--replace", is_flag=True, help="Replace what is in the folder, once the new is whole.")
@click.option("--image", "with_image", is_flag=True, help="Write an image of the server, too.")
@click.option(
    "--base", default="none", show_default=True, metavar="BASE", help="OCI layout FOLDER[:TAG], .tar, folder or none."
)
@click.option("--wheels", type=_path, metavar="DIR", help="Take packages from wheels, not from this environment.")
@click.option("--with", "extra", multiple=True, metavar="REQUIREMENT", help="Put one more package into the image.")
@click.option("--gzip", is_flag=True, help="Compress layers: smaller, slower; bytes then depend on zlib's version.")
@click.option("--prove", "proving", is_flag=True, help="Run the image by buildah and ask it the golden rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def package(**given: Any) -> None:
    """Package MODEL at REF: a version, a digest or an alias ([candidate]).

    DIR holds an OCI layout (oci/), a CycloneDX bill of materials and, with --image, a Containerfile. The same
    version, packages and base give the same digests. Nothing is sent anywhere.
    """
    try:
        from plumbline.deployment.core.errors import DeploymentError
    except ImportError as error:
        raise click.ClickException(f"packaging needs {error.name}: pip install 'plumbline[deployment]'") from None
    if given["proving"] and not given["with_image"]:
        raise click.UsageError("--prove runs the server's image: add --image")
    try:
        packaged, proof = _do(given)
    except DeploymentError as error:
        if given["as_json"]:
            click.echo(json.dumps(error.as_dict(), default=str))
        raise click.ClickException(error.sentence) from None
    body = _facts(packaged, proof)
    click.echo(json.dumps(body) if given["as_json"] else _words(body))


def _do(given: dict[str, Any]) -> tuple[Packaged, Proof | None]:
    from plumbline.deployment.packaging.archive import epoch
    from plumbline.deployment.packaging.buildah import engine
    from plumbline.deployment.packaging.package import package as write
    from plumbline.deployment.packaging.prove import prove

    model, _, ref = given["model"].partition("@")
    mtime = epoch()
    if given["proving"]:
        with engine():
            pass  # refused now, not after the image was written
    options = _options(given, mtime) if given["with_image"] else None
    packaged = write(
        _source(given), model, ref or DEFAULT_REF, given["to"], options=options, mtime=mtime, over=given["replace"]
    )
    return packaged, prove(packaged) if given["proving"] else None


def _options(given: dict[str, Any], mtime: int) -> Options:
    from plumbline.deployment.packaging.image import Options
    from plumbline.deployment.packaging.installed import Installed
    from plumbline.deployment.packaging.wheelhouse import Wheelhouse

    packages = Wheelhouse(given["wheels"]) if given["wheels"] else Installed()
    return Options(given["base"], packages, given["extra"], "gzip" if given["gzip"] else "none", mtime)


def _source(given: dict[str, Any]) -> Source:
    from plumbline.catalogue.state import state_folder
    from plumbline.deployment.registry.store import Registry

    url = given["registry"] or str(state_folder() / "registry")
    return Registry.open(url, blobs=given["blobs"], read_only=True)


def _facts(packaged: Packaged, proof: Proof | None) -> dict[str, Any]:
    from dataclasses import asdict

    stored = packaged.stored
    body: dict[str, Any] = {
        "model": stored.manifest.model,
        "version": stored.version,
        "digest": stored.digest,
        "folder": str(packaged.folder),
        "artefact": {"tag": packaged.artefact_tag, "digest": packaged.artefact.digest},
        "layers": [asdict(layer) for layer in packaged.layers],
    }
    if packaged.image is not None:
        body["image"] = {"tag": packaged.image_tag, "digest": packaged.image.digest}
    if proof is not None:
        body["proof"] = asdict(proof)
    return body


def _words(body: dict[str, Any]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("Tag", "Layer", "Size", "Holds"):
        table.add_column(name, justify="right" if name == "Size" else "left", overflow="fold")
    for layer in body["layers"]:
        tag, short = layer["tag"] or "", layer["digest"].removeprefix("sha256:")[:12]
        table.add_row(tag, short, _room(layer["size"]), layer["holds"] or layer["media_type"])
    console = Console(file=sys.stdout, soft_wrap=False, highlight=False)
    with console.capture() as text:
        console.print(table)
    rows = "\n".join(line.rstrip() for line in text.get().splitlines())
    lines = [f"{body['model']} {body['version']} ({body['digest']}) is in {body['folder']}", "", rows, ""]
    lines += [f"artefact  {body['artefact']['tag']:<16}{body['artefact']['digest']}"]
    if "image" in body:
        lines += [f"image     {body['image']['tag']:<16}{body['image']['digest']}"]
    if "proof" in body:
        proof = body["proof"]
        who, apart = proof["version"] or "the image", proof["largest_difference"]
        lines.append(f"proven    {proof['rows']} golden rows answered by {who}, ready after {proof['ready_s']:.2f} s")
        lines.append(f"          largest difference {apart:.3g}, allowed {proof['tolerance']:g}")
    return "\n".join(lines)


def _room(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
