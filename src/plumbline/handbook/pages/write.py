"""Generate all pages, and write those that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from plumbline.catalogue import Catalogue
from plumbline.diagnosis import catalogue as diagnostics_of
from plumbline.handbook.check.identities import PUBLISHED, with_new
from plumbline.handbook.load import GENERATED, load
from plumbline.handbook.pages.cli import cli_page
from plumbline.handbook.pages.diagnostics import diagnostics_page
from plumbline.handbook.pages.evidence import evidence_page
from plumbline.handbook.pages.http import http_page
from plumbline.handbook.pages.llms import llms_txt
from plumbline.handbook.pages.matrix import matrix_page
from plumbline.handbook.pages.problems import problems_page
from plumbline.handbook.pages.proofs import proofs_page

LLMS = "docs/llms.txt"
_NOTE = "<!-- Written by `plumb docs`; changes made here are lost. -->\n"


def generate(catalogue: Catalogue, cli: click.Command, openapi: dict[str, Any] | None) -> dict[str, str]:
    """Return every generated file: path in the catalogue → content.

    Args:
        catalogue: The handbook.
        cli: The root command.
        openapi: Description of the HTTP interface; None when the app is not installed.

    Raises:
        HandbookError: A record breaks its schema.
        CatalogueError: The catalogue is empty.
    """
    handbook = load(catalogue)
    diagnostics = diagnostics_of.load(catalogue)
    pages = {
        "cli.md": cli_page(cli),
        "diagnostics.md": diagnostics_page(handbook, diagnostics),
        "evidence.md": evidence_page(diagnostics),
        "http.md": http_page(openapi),
        "matrix.md": matrix_page(handbook),
        "problems.md": problems_page(handbook),
        "proofs.md": proofs_page(handbook),
    }
    noted = {f"{GENERATED}/{name}": f"{text}\n{_NOTE}" for name, text in pages.items()}
    return noted | {LLMS: llms_txt(handbook, pages), PUBLISHED: with_new(catalogue)}


def outdated(catalogue: Catalogue, files: dict[str, str]) -> list[str]:
    """Return the paths whose content on disk differs, and generated pages that should no longer be there."""
    differing = [path for path, text in files.items() if _read(catalogue.root / path) != text]
    return sorted([*differing, *(path for path in _present(catalogue) if path not in files)])


def write(catalogue: Catalogue, files: dict[str, str]) -> list[str]:
    """Write what differs, remove what should not be there, and return the paths of both.

    A file that is up to date is not touched, so that builders which look at times do not build it again.
    """
    paths = outdated(catalogue, files)
    for path in paths:
        target = catalogue.root / path
        if path not in files:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8")
    return paths


def _present(catalogue: Catalogue) -> list[str]:
    found = (catalogue.root / GENERATED).glob("*.md")
    return [path.relative_to(catalogue.root).as_posix() for path in found]


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
