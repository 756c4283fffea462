"""`plumb model serve`: answer requests with a version of a model."""

from __future__ import annotations

import sys
from typing import Any

import click


@click.command()
@click.option("--model", required=True, metavar="NAME", help="The one model that this server has.")
@click.option("--ref", metavar="REF", help="Version, alias or digest served from the start; none: wait for a deployer.")
@click.option(
    "--registry", envvar="PLUMBLINE_REGISTRY", metavar="URL", help="Registry: a folder, or postgresql://… with --blobs."
)
@click.option("--blobs", metavar="DIR", help="Files of a registry that is a database.")
@click.option("--folder", metavar="DIR", help="Serve from a folder with a manifest instead of a registry.")
@click.option("--cache", metavar="DIR", help="Where versions of a registry are put; temporary by default.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no authentication."
)
@click.option("--port", default=8080, show_default=True, help="Port; 0: the kernel chooses.")
@click.option("--admin", metavar="PATH", help="Admin socket, through which deployers switch versions.")
@click.option("--announce", metavar="FILE", help="Write port and pid there once the server is ready.")
@click.option("--threads", default=1, show_default=True, help="Threads of the runtime within one prediction.")
@click.option("--parallel", default=1, show_default=True, help="Predictions side by side, beyond the quick ones.")
@click.option("--queue", default=1024, show_default=True, help="Requests that may wait; more are told to come back.")
@click.option("--max-body", default=8 << 20, show_default=True, help="Bytes of one request's body.")
@click.option(
    "--drain-grace", "drain_grace_s", default=5.0, show_default=True, help="Seconds of service after SIGTERM."
)
@click.option("--recent", "recent_rows", default=0, show_default=True, help="Rows of requests kept for gates; 0: none.")
@click.option("--allow-load", is_flag=True, help="Let anybody who reaches the port load and unload versions.")
@click.option("--set", "further", multiple=True, metavar="KEY=VALUE", help="Any other setting; see the reference.")
def serve(further: tuple[str, ...], **given: Any) -> None:
    """Serve one model over HTTP: Open Inference Protocol v2, readiness, metrics.

    Examples: `plumb model serve --model churn --ref production --admin /run/churn.sock`, and for one version in a
    folder: `plumb model serve --model churn --ref latest --folder ./churn-1.2.0`.
    """
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.serving import log
    from plumbline.deployment.serving.options import Options, parsed

    if given["registry"] is None and given["folder"] is None:
        from plumbline.catalogue import state_folder

        given["registry"] = str(state_folder() / "registry")
    if given["folder"] is not None:
        given["registry"] = None
    try:
        options = Options(**{**given, **parsed(further)})
    except DeploymentError as error:
        raise click.UsageError(error.sentence) from None
    from plumbline.deployment.serving.running import run

    log.to_stderr()
    try:
        run(options)
    except DeploymentError as error:
        click.echo(f"Error: {error.sentence}", err=True)
        sys.exit(1)
