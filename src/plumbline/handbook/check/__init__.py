"""The reference check: everything that is named exists, everything that exists is cited, and every key is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from plumbline.catalogue import Catalogue
from plumbline.handbook.check import commands, fields, files, identities, links, orphans, records, references, rules
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint
from plumbline.handbook.load import read

Check = Callable[[View], Iterable[Complaint]]
CHECKS: tuple[Check, ...] = (
    files.check,
    references.check,
    records.check,
    orphans.check,
    identities.check,
    links.check,
    fields.check,
    rules.check,
)


def check(catalogue: Catalogue, cli: click.Command | None = None) -> list[Complaint]:
    """Return every fault of a catalogue, sorted by file and line; it never stops at the first.

    Args:
        catalogue: The handbook to check; an empty one is a fault.
        cli: The command that `plumb …` in a page stands for; the installed one when None.
    """
    handbook, complaints = read(catalogue)
    view = View(handbook)
    for one in CHECKS:
        complaints.extend(one(view))
    complaints.extend(commands.check(view, cli))
    return sorted(set(complaints))


__all__ = ["CHECKS", "check"]
