"""`plumb gateway token` and `plumb gateway reload-keys`: a token to try with, and keys that were exchanged."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from plumbline.cli.gateway_asking import admin_option, asked
from plumbline.streaming.core.permissions import ACTIONS
from plumbline.streaming.server.options import BadInputError

DAY_S = 86400.0


@click.command()
@click.option("--key", "path", required=True, type=click.Path(path_type=Path), help="Private key (PEM), or a secret.")
@click.option("--kid", help="The key's name in the gateway's JWK set.")
@click.option("--user", help="Whose token it is (sub).")
@click.option(
    "--for", "seconds", type=click.FloatRange(1, 30 * DAY_S), default=3600.0, show_default=True, help="Seconds."
)
@click.option("--subscribe", multiple=True, metavar="PATTERN", help="Channels it may read; * is any text.")
@click.option("--publish", multiple=True, metavar="PATTERN", help="Channels it may write to.")
@click.option("--history", multiple=True, metavar="PATTERN", help="Channels whose past it may read.")
@click.option("--presence", multiple=True, metavar="PATTERN", help="Channels of which it may see who is there.")
@click.option("--issuer", help="iss, if the gateway asks for one.")
@click.option("--audience", help="aud, if the gateway asks for one.")
def token(path: Path, kid: str | None, user: str | None, seconds: float, **said: Any) -> None:
    """Make a token to try with: it goes to stdout, and when it ends to stderr.

    In earnest tokens come from whoever signs your users in; the gateway has no private key.
    """
    import jwt

    key, algorithm = _signing_key(path)
    ends = time.time() + seconds
    claims: dict[str, Any] = {"exp": int(ends), "iat": int(time.time())}
    named = {"sub": user, "iss": said["issuer"], "aud": said["audience"]}
    claims |= {name: value for name, value in named.items() if value}
    channels = {action: list(said[action]) for action in ACTIONS if said[action]}
    text = jwt.encode(claims | {"channels": channels}, key, algorithm, headers={"kid": kid} if kid else None)
    click.echo(text)
    click.echo(f"ends {datetime.fromtimestamp(int(ends), UTC):%Y-%m-%d %H:%M:%S} UTC, signed {algorithm}", err=True)


@click.command("reload-keys")
@admin_option
def reload_keys(admin: str | None) -> None:
    """Read the files of `token_keys` again; nobody is dropped. A wrong file changes nothing."""
    now = asked(admin, {"get": "settings"})["token_keys"]
    if not now:
        raise BadInputError("this gateway asks for no tokens: its token_keys is empty")
    asked(admin, {"set": {"token_keys": now}})
    click.echo(f"read again: {json.dumps(now)}")


COMMANDS = (token, reload_keys)


def _signing_key(path: Path) -> tuple[Any, str]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from plumbline.streaming.server.tokens import SECRET_BYTES

    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from None
    if not content.startswith(b"-----BEGIN"):
        if len(content) < SECRET_BYTES:
            raise BadInputError(f"{path}: a secret must have {SECRET_BYTES} bytes or more (RFC 7518, 3.2)")
        return content, "HS256"
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError):
        raise BadInputError(f"{path}: no private key without a password can be read from it") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return key, "ES256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "EdDSA"
    raise BadInputError(f"{path}: keys may be RSA, EC on P-256, or Ed25519")
