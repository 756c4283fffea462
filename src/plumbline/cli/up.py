"""`plumb up`: the whole handbook on one port, with the lab beside it."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.catalogue import Catalogue, CatalogueError, locate

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

    from plumbline.web.settings import WebSettings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 chooses one.")
@click.option("--name", "names", multiple=True, help="A further host name under which browsers reach it.")
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the token.")
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain, PEM.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Private key, PEM.")
@click.option("--site", type=click.Path(path_type=Path), help="Folder of the built site.")
@click.option(
    "--registry",
    metavar="URL",
    default="",
    help="Model registry that is shown first.  [default: $PLUMBLINE_REGISTRY, or the state folder's]",
)
@click.option("--lab/--no-lab", default=True, show_default=True, help="Start the healthy lab as the default target.")
@click.pass_obj
def up(
    obj: dict[str, str | None],
    host: str,
    port: int,
    names: tuple[str, ...],
    token_file: Path | None,
    tls_cert: str | None,
    tls_key: str | None,
    site: Path | None,
    registry: str,
    lab: bool,
) -> None:
    """Serve site, search, diagnostics and lab; Ctrl-C ends all of it."""
    from plumbline.web.settings import SettingsError, WebSettings, check_bind, is_loopback

    check_installed()
    try:
        catalogue = locate(obj["catalogue"])
        catalogue.diagnostics()
        token = read_token(token_file)
        check_bind(host, token=token, tls=bool(tls_cert and tls_key), names=frozenset(names))
        check_tls(tls_cert, tls_key)
    except (CatalogueError, SettingsError) as error:
        raise click.UsageError(str(error)) from None
    settings = WebSettings(
        site=site or site_of(catalogue),
        host=host,
        port=port,
        names=frozenset(name.lower() for name in names),
        token=token or secrets.token_urlsafe(32),
        login=not is_loopback(host),
        registry=registry,
    )
    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        if lab:
            stack.callback(click.echo, "The lab is down.", err=True)
            start_lab(stack)
        serve(settings, catalogue, listener, tls_cert, tls_key)


def read_token(path: Path | None) -> str | None:
    """Return the token in the file.

    Raises:
        click.UsageError: It is shorter than 16 characters.
    """
    if path is None:
        return None
    token = path.read_text().strip()
    if len(token) < 16:
        raise click.UsageError(f"{path}: the token has {len(token)} characters, it needs 16 or more")
    return token


def check_installed() -> None:
    """Say which part of the package is missing.

    Raises:
        click.ClickException: The web packages are not installed.
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"`plumb up` needs {' and '.join(missing)}: pip install 'plumbline[web,streaming]'")


def check_tls(cert: str | None, key: str | None) -> None:
    """Read certificate and key now, so that what is wrong with them is said before anything is started.

    Raises:
        click.UsageError: One of the two is missing, or they are no pair in PEM.
    """
    if not cert and not key:
        return
    if not cert or not key:
        raise click.UsageError("TLS needs both --tls-cert and --tls-key")
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:  # SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise click.UsageError(f"{cert} and {key} are no certificate and its key in PEM: {why}") from None


def site_of(catalogue: Catalogue) -> Path:
    """Return where the site of this catalogue is built."""
    return catalogue.root / "site"


def listen(host: str, port: int) -> socket.socket:
    """Bind the port now, so that a taken one is said before anything is started.

    Raises:
        click.ClickException: The port is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port: "
            f"plumb up --port {port + 1}, or make up PORT={port + 1}"
        ) from None
    return listener


def start_lab(stack: ExitStack) -> None:
    """Start the healthy lab and say where it is."""
    from plumbline.lab import LabError, serve_lab

    try:
        endpoint = stack.enter_context(serve_lab())
    except LabError as error:
        raise click.ClickException(f"the lab does not start: {error}; `plumb up --no-lab` serves without it") from None
    click.echo(f"The lab is up: gateway {endpoint.url}", err=True)


def serve(
    settings: WebSettings, catalogue: Catalogue, listener: socket.socket, tls_cert: str | None, tls_key: str | None
) -> None:
    """Serve until Ctrl-C or SIGTERM; the address is said when it answers."""
    import uvicorn

    from plumbline.web.app import create_app
    from plumbline.web.pages import how_to_build, is_built

    scheme = "https" if tls_cert else "http"
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        create_app(settings, catalogue),
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,  # seconds: an open event stream must not hold Ctrl-C up
    )

    def announce() -> None:
        if not is_built(settings.site):
            click.echo(f"No site is built in {settings.site}: {how_to_build(catalogue.root)}", err=True)
        click.secho(f"Plumbline is on {scheme}://{name}:{port}  (Ctrl-C ends it)", bold=True, err=True)

    server_that_tells(config, announce).run(sockets=[listener])


def server_that_tells(config: uvicorn.Config, announce: Callable[[], None]) -> uvicorn.Server:
    """Return a server that calls `announce` once the app has started and its sockets listen, not before."""
    import uvicorn

    class Telling(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                announce()

    return Telling(config)
