"""`plumb gateway drain|reload-certificate`: what a deployment and a new certificate need."""

from __future__ import annotations

import json

import click

from plumbline.cli.gateway_asking import admin_option, asked, json_option


@click.command()
@click.option("--within", "within_s", type=float, metavar="S", help="Time over which clients are let go  [drain_s].")
@admin_option
@json_option
def drain(within_s: float | None, admin: str | None, as_json: bool) -> None:
    """Let all clients go, told when to come back and with all that waits for them sent; then the gateway ends."""
    answer = asked(admin, {"drain": {} if within_s is None else {"within_s": within_s}})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo(f"draining: {', '.join(f'{key} {value:g}' for key, value in answer.items())}")


@click.command("reload-certificate")
@admin_option
@json_option
def reload_certificate(admin: str | None, as_json: bool) -> None:
    """Read tls_cert and tls_key again; clients stay, new ones get the new certificate."""
    answer = asked(admin, {"reload-certificate": {}})
    click.echo(json.dumps(answer, indent=2) if as_json else f"{answer['tls_cert']} holds until {answer['not_after']}")


COMMANDS = (drain, reload_certificate)
