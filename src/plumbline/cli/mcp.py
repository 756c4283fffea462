"""`plumb mcp`: the handbook as tools for an assistant, on standard input and output."""

from __future__ import annotations

import gc
import signal
import sys
from typing import Any

import click

from plumbline.cli.failure import failures


@click.command()
@click.pass_obj
def mcp(obj: dict[str, Any]) -> None:
    """Serve the handbook to an assistant over the Model Context Protocol, until standard input ends.

    Assistants start it themselves: name the command in their configuration (mcp.json). Its tools only read.
    """
    with failures():
        from plumbline.catalogue import locate

        catalogue = locate(obj.get("catalogue"))
        catalogue.diagnostics()
        catalogue.guides()
    try:
        from plumbline.assistant.server import serve
    except ImportError as error:
        raise click.ClickException(
            f"'plumb mcp' needs what is not installed ({error}): pip install 'plumbline[mcp]'"
        ) from None
    if sys.stdin.isatty():
        click.echo("plumb: an assistant is expected on standard input; Ctrl-D ends this", err=True)
    # Python's own handler would wait for a read that is never interrupted; workers end with us in any case.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(catalogue)
    gc.freeze()  # taking everything apart at the exit costs a second or two; assistants wait for two and then kill
