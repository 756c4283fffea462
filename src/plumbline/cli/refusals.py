"""How commands of the deployment fail: one sentence on standard error, exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what was refused, or a part that is not installed, into a sentence."""
    try:
        from plumbline.deployment.core.errors import DeploymentError

        try:
            yield
        except DeploymentError as error:
            raise click.ClickException(error.sentence) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("plumbline"):
            raise
        raise click.ClickException(f"this needs {error.name}: pip install 'plumbline[deployment]'") from None
