"""How commands fail: one clear sentence on standard error, without secrets, and the right exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

EXIT_USAGE, EXIT_INTERRUPTED, NAGIOS_UNKNOWN = 2, 130, 3


@contextmanager
def failures(*, nagios: bool = False) -> Iterator[None]:
    """Turn what a user can do something about into a sentence and exit code 2, and Ctrl-C into 130.

    Args:
        nagios: Say it on standard output and exit 3 (`UNKNOWN`), as monitoring systems want it.
    """
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        click.echo("plumb: interrupted; what was running has been killed", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if nagios:
            click.echo(f"PLUMB UNKNOWN - {sentence}")
            sys.exit(NAGIOS_UNKNOWN)
        click.echo(f"plumb: {sentence}", err=True)
        sys.exit(EXIT_USAGE)


def _sentence(error: Exception) -> str | None:
    """Return the sentence of an expected error, None for a bug."""
    from plumbline.catalogue import CatalogueError
    from plumbline.diagnosis.archive import BundleError
    from plumbline.diagnosis.redact import text
    from plumbline.diagnosis.select import UnknownDiagnosticError
    from plumbline.diagnosis.targets import TargetError

    expected = (CatalogueError, UnknownDiagnosticError, TargetError, BundleError)
    return text(str(error)) if isinstance(error, expected) else None
