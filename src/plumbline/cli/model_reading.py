"""`plumb model list|show|history|verify`: what a registry holds, and whether it is still whole."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.registry_options import json_option, opened, registry_options

if TYPE_CHECKING:
    from plumbline.deployment.registry import Moved, Registry, Stored


@click.command("list")
@click.argument("model", required=False)
@json_option
@registry_options
def listed(model: str | None, as_json: bool, url: str | None, blobs: Path | None) -> None:
    """List models, or the versions of MODEL, the highest first, with their aliases."""
    with opened(url, blobs, read_only=True) as registry:
        models = registry.models()
        if model is not None and model not in models:
            registry.get(model, "1.0.0")  # says which models there are
        rows = [row for name in models if model in (None, name) for row in _versions(registry, name)]
    if model is None:
        rows = [row for number, row in enumerate(rows) if not number or rows[number - 1]["model"] != row["model"]]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("the registry holds no model yet")
    else:
        columns = ("model", "version", "aliases", "rises", "format", "registered", "by", "digest")
        _table(columns, [_shown(row) for row in rows])


@click.command()
@click.argument("model", metavar="MODEL[@REF]")
@json_option
@registry_options
def show(model: str, as_json: bool, url: str | None, blobs: Path | None) -> None:
    """Show a version: contract, why it has its number, lineage, metrics, signatures, card. Without REF: the highest."""
    name, _, ref = model.partition("@")
    with opened(url, blobs, read_only=True) as registry:
        highest = registry.versions(name)[:1]
        one = registry.get(name, ref or (highest[0].version if highest else "1.0.0"))
        aliases = [alias for alias, version in registry.aliases(name).items() if version == one.version]
        keys = registry.signed_by(name, one.version)
    body = _whole(one, aliases, keys)
    click.echo(json.dumps(body, indent=2, ensure_ascii=False) if as_json else _words(body))


@click.command()
@click.argument("model")
@click.argument("alias", required=False)
@json_option
@registry_options
def history(model: str, alias: str | None, as_json: bool, url: str | None, blobs: Path | None) -> None:
    """Say who moved MODEL's aliases (or ALIAS), when, why, from what to what; the last move first."""
    with opened(url, blobs, read_only=True) as registry:
        registry.versions(model) or registry.get(model, "1.0.0")
        moves = list(reversed(registry.history(model, alias)))
    if as_json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(moves), indent=2, ensure_ascii=False))
    elif not moves:
        click.echo(f"no alias of {model} was ever moved")
    else:
        _table(("when", "alias", "from", "to", "by", "why"), [_step(move) for move in moves])


@click.command(epilog="Exit codes: 0 whole, 1 something is not what it was, 2 usage.")
@click.argument("model", required=False, metavar="[MODEL[@REF]]")
@click.option("--key", type=click.Path(path_type=Path), metavar="PEM", help="Check the signature by this public key.")
@json_option
@registry_options
def verify(model: str | None, key: Path | None, as_json: bool, url: str | None, blobs: Path | None) -> None:
    """Read every file again and name those that are not what they were; with --key also who vouches for MODEL@REF."""
    name, _, ref = (model or "").partition("@")
    if key is not None and not ref:
        raise click.UsageError("--key checks one version: name it as MODEL@REF")
    with opened(url, blobs, read_only=True) as registry:
        found = registry.verify(name or None)
        signed = None if key is None or found.damages else _signed(registry, name, ref, key)
    if as_json:
        import msgspec

        click.echo(json.dumps({**msgspec.to_builtins(found), "key": signed}, indent=2))
    else:
        for damage in found.damages:
            click.echo(f"Error: {damage.sentence}", err=True)
        if not found.damages:
            click.echo(f"whole: {found.versions} versions, {found.blobs} files, {found.size:,} bytes")
        if signed is not None:
            click.echo(f"signed: {model} by key {signed}")
    sys.exit(1 if found.damages else 0)


def _signed(registry: Registry, name: str, ref: str, key: Path) -> str:
    from plumbline.deployment.registry import signing

    with tempfile.TemporaryDirectory(prefix="plumb-verify-") as made:
        return signing.verify(registry.materialise(name, ref, Path(made) / name), key)


def _versions(registry: Registry, model: str) -> list[dict[str, Any]]:
    pointed = registry.aliases(model)
    return [
        {
            "model": model,
            "version": one.version,
            "aliases": [alias for alias, version in pointed.items() if version == one.version],
            "rises": one.bump.name.lower() if one.against else "first",
            "format": one.manifest.format,
            "registered_at": one.registered_at,
            "by": one.by,
            "digest": one.digest,
            "collected_at": one.collected_at,
        }
        for one in registry.versions(model)
    ]


def _shown(row: dict[str, Any]) -> tuple[str, ...]:
    version = row["version"] + (" (collected)" if row["collected_at"] else "")
    aliases = ", ".join(row["aliases"])
    digest = row["digest"].removeprefix("sha256:")[:12]
    return (
        row["model"],
        version,
        aliases,
        row["rises"],
        row["format"],
        moment(row["registered_at"]),
        row["by"],
        digest,
    )


def _step(move: Moved) -> tuple[str, ...]:
    by = move.by if move.epoch is None else f"{move.by} (epoch {move.epoch})"
    return (moment(move.at), move.alias, move.source or "nothing", move.target or "nothing", by, move.why)


def _whole(one: Stored, aliases: list[str], keys: tuple[str, ...]) -> dict[str, Any]:
    import msgspec

    changes = [
        {"rises": change.bump.name.lower(), "where": change.where, "sentence": change.sentence, "code": change.code}
        for change in one.changes
    ]
    body: dict[str, Any] = msgspec.to_builtins(one)
    return body | {"bump": one.bump.name.lower(), "changes": changes, "aliases": aliases, "signed_by": list(keys)}


def _words(body: dict[str, Any]) -> str:
    manifest = body["manifest"]
    lines = [
        f"{manifest['model']} {body['version']}  {', '.join(body['aliases'])}".rstrip(),
        f"digest      {body['digest']}",
        f"registered  {moment(body['registered_at'])} by {body['by']}",
        f"number      {body['bump']} after {body['against']}" if body["against"] else "number      the model's first",
        *(f"            {one['rises']}: {one['where']} {one['sentence']}" for one in body["changes"]),
        *(f"collected   {moment(at)}: its files are gone" for at in [body["collected_at"]] if at),
        *(f"signed by   {key}" for key in body["signed_by"]),
        *(f"file        {one['path']}  {one['size']:,} bytes  {one['digest']}" for one in manifest["files"]),
        *(f"input       {_field(one)}" for one in manifest["signature"]["inputs"]),
        *(f"output      {_field(one)}" for one in manifest["signature"]["outputs"]),
        *(f"metric      {name} = {value:g}" for name, value in manifest["metrics"].items()),
        *(f"lineage     {name}: {value}" for name, value in manifest["lineage"].items() if value),
    ]
    return "\n".join([*lines, *(["", manifest["card"].rstrip()] if manifest["card"] else [])])


def _field(one: dict[str, Any]) -> str:
    extra = [
        f"{name} {one[name]}" for name in ("minimum", "maximum", "choices", "classes") if one.get(name) is not None
    ]
    if one.get("required") is False:
        extra.append(f"optional (default {one['default']})")
    if one.get("nullable"):
        extra.append("may be missing")
    return "  ".join([one["name"], one["kind"], *extra])


def moment(at: float) -> str:
    """Return a Unix time in seconds as people read it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)
