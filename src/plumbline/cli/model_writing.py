"""`plumb model register|get|alias|promote|sign|collect`: what changes a registry, or takes a version out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.registry_options import by_option, json_option, opened, registry_options, whoever

if TYPE_CHECKING:
    from plumbline.deployment.registry import Registry
    from plumbline.deployment.registry.retention import Collected

NOTHING = "nothing"
DAY_S = 86400.0
_path = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=_path)
@click.option("--claim", metavar="VERSION", help="Your own number; refused if it is too low for what changed.")
@by_option
@json_option
@registry_options
def register(folder: Path, claim: str | None, by: str | None, as_json: bool, **where: Any) -> None:
    """Register the version in FOLDER: plumbline.json, its manifest, and the files that it names.

    The number is computed: the model is loaded beside the highest version and both are asked. A training script
    writes such a folder with `pack()` and `leave()`; `plumb model get` writes one, too.
    """
    with opened(**where) as registry:
        from plumbline.deployment.core.encoding import decode
        from plumbline.deployment.core.errors import InvalidError
        from plumbline.deployment.core.manifest import Manifest
        from plumbline.deployment.registry.names import MANIFEST

        path = folder / MANIFEST
        try:
            manifest = decode(path.read_bytes(), Manifest, str(path))
        except OSError as error:
            raise InvalidError(
                f"{path}: {error.strerror}; a training script leaves it there", path=str(path)
            ) from error
        files = {file.path: folder / file.path for file in manifest.files}
        made = registry.register(manifest, files, claim=claim, by=whoever(by))
    rises = made.bump.name.lower() if made.against else "first"
    body = {"model": manifest.model, "version": made.version, "digest": made.digest, "rises": rises}
    changes = [{"rises": one.bump.name.lower(), "where": one.where, "sentence": one.sentence} for one in made.changes]
    if as_json:
        click.echo(json.dumps({**body, "against": made.against, "fresh": made.fresh, "changes": changes}))
        return
    why = f"{rises} after {made.against}" if made.against else "the model's first"
    again = "" if made.fresh else ", registered before"
    click.echo(f"{manifest.model} {made.version}  {made.digest}  ({why}{again})")
    for one in changes:
        click.echo(f"  {one['rises']}: {one['where']} {one['sentence']}")


@click.command()
@click.argument("model", metavar="MODEL@REF")
@click.argument("folder", type=_path)
@registry_options
def get(model: str, folder: Path, **where: Any) -> None:
    """Write MODEL@REF into FOLDER: its files, each checked, its manifest and its signatures."""
    name, ref = named(model)
    with opened(**where, read_only=True) as registry:
        click.echo(registry.materialise(name, ref, folder))


@click.command()
@click.argument("model")
@click.argument("name", metavar="ALIAS")
@click.option("--to", metavar="REF", help="Version, alias or digest it shall point at.")
@click.option("--remove", is_flag=True, help="Take the alias away.")
@click.option(
    "--expect", metavar="VERSION", help="Move it only if it points there (or at 'nothing').  [default: as it is]"
)
@click.option("--why", required=True, metavar="TEXT", help="The reason, for the history.")
@by_option
@registry_options
def alias(model: str, name: str, to: str | None, remove: bool, **given: Any) -> None:
    """Point ALIAS of MODEL at another version: of several movers exactly one wins. Servers do not follow it.

    A deployment switches servers and then moves the alias: plumb deploy, plumb rollback.
    """
    if (to is None) is not remove:
        raise click.UsageError("either --to REF or --remove")
    with opened(given["url"], given["blobs"]) as registry:
        _move(registry, model, name, to, given)


@click.command()
@click.argument("model", metavar="MODEL@REF")
@click.option("--alias", "name", default="production", show_default=True, help="The alias.")
@click.option(
    "--expect", metavar="VERSION", help="Move it only if it points there (or at 'nothing').  [default: as it is]"
)
@click.option("--why", required=True, metavar="TEXT", help="The reason, for the history.")
@by_option
@registry_options
def promote(model: str, name: str, **given: Any) -> None:
    """Point `production` at MODEL@REF, without gates and without servers: for registries that others deploy from."""
    which, ref = named(model)
    with opened(given["url"], given["blobs"]) as registry:
        _move(registry, which, name, ref, given)


@click.command()
@click.argument("model", metavar="MODEL@REF")
@click.option("--key", type=_path, required=True, metavar="PEM", help="Private key, EC P-256, without a password.")
@by_option
@registry_options
def sign(model: str, key: Path, by: str | None, **where: Any) -> None:
    """Sign every file and the manifest of MODEL@REF (OpenSSF model signing); the signature goes where they go."""
    name, ref = named(model)
    with opened(**where) as registry:
        version = registry.get(name, ref).version
        click.echo(f"{name} {version} is signed by key {registry.sign(name, version, key, by=whoever(by))}")


@click.command()
@click.option(
    "--keep", type=click.IntRange(1), required=True, metavar="K", help="Versions that each alias pointed at last."
)
@click.option("--days", type=click.FloatRange(0), default=7.0, show_default=True, help="Keep all that are younger.")
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@json_option
@registry_options
def collect(keep: int, days: float, dry_run: bool, as_json: bool, **where: Any) -> None:
    """Delete the files of versions that nobody needs; their rows stay, and registering one again brings it back.

    Never: what an alias points at, the last K that each alias pointed at, a model's highest version, and anything of
    a model that is being deployed.
    """
    with opened(**where, read_only=dry_run) as registry:
        found = registry.collect(keep_promoted=keep, younger_than_s=days * DAY_S, dry_run=dry_run)
    if as_json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(found)))
    else:
        _tell(found, dry_run=dry_run)


def _tell(found: Collected, *, dry_run: bool) -> None:
    for name, version in found.versions:
        click.echo(f"{name} {version}")
    for name, holder in found.kept.items():
        click.echo(f"{name}: nothing was taken, {holder} is deploying it")
    would = "would go" if dry_run else "are gone"
    click.echo(f"{len(found.versions)} versions and {len(found.blobs)} files {would}: {found.size:,} bytes")


def _move(registry: Registry, model: str, name: str, to: str | None, given: dict[str, Any]) -> None:
    expect = given["expect"] if given["expect"] is not None else registry.aliases(model).get(name, NOTHING)
    done = registry.move(
        model,
        name,
        to=to,
        expect=None if expect == NOTHING else expect,
        by=whoever(given["by"]),
        why=given["why"],
    )
    click.echo(f"{model}: {name} points at {done.target or NOTHING}, before at {done.source or NOTHING}")


def named(model: str) -> tuple[str, str]:
    """Split MODEL@REF.

    Raises:
        click.UsageError: It names no version.
    """
    name, _, ref = model.partition("@")
    if not ref:
        raise click.UsageError("name a version, an alias or a digest: MODEL@REF")
    return name, ref
