"""`plumb search` and `plumb index`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from plumbline.catalogue import Catalogue, CatalogueError, locate

if TYPE_CHECKING:
    from plumbline_search.answers import Answer, Result
    from plumbline_search.build import Built

FOUND, NO_GUIDE = 0, 1


@click.command()
@click.argument("query", nargs=-1)
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Search with a log file; - reads standard input.",
)
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 50), help="Results at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, as the service gives it.")
@click.option("--lexical", is_flag=True, help="Do not load the model.")
@click.pass_context
def search(
    ctx: click.Context, query: tuple[str, ...], log: str | None, limit: int, as_json: bool, lexical: bool
) -> None:
    """Find the guide for a symptom, an error message or a log.

    Exits with 0 if there is an answer, 1 if there is no guide for it, 2 if it was asked wrongly.
    """
    from plumbline_search.gaps import record
    from plumbline_search.queries import QueryError
    from plumbline_search.service import Service, UnavailableError
    from plumbline_search.state import gaps_file

    if bool(query) == bool(log):
        raise click.UsageError(
            'say what you see: plumb search "clients stall and memory grows", or plumb search --log FILE'
        )
    text = _log_text(log) if log else " ".join(query)
    service = Service(_catalogue(ctx))
    try:
        if lexical:
            service.load_lexical()
        else:
            service.load()
        answer = service.answer(text, limit=limit)
    except QueryError as error:
        raise click.UsageError(str(error)) from None
    except UnavailableError as error:
        raise click.UsageError(str(error)) from None
    record(answer, text, gaps_file())
    if as_json:
        click.echo(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2))
    else:
        _print(answer)
    sys.exit(NO_GUIDE if answer.no_guide else FOUND)


@click.command()
@click.option("--check", is_flag=True, help="Only say whether the index is there, whole and up to date; exit 1 if not.")
@click.option("--rebuild", is_flag=True, help="Build it even if nothing changed.")
@click.pass_context
def index(ctx: click.Context, check: bool, rebuild: bool) -> None:
    """Build the search index; only what changed is embedded, and nothing at all if nothing changed."""
    from plumbline_search import store
    from plumbline_search.build import build
    from plumbline_search.model import ModelError
    from plumbline_search.reading import EmptyCorpusError

    catalogue = _catalogue(ctx)
    if check:
        _check(catalogue)
        return
    try:
        with _Progress() as progress:
            built = build(catalogue, rebuild=rebuild, progress=progress)
    except (ModelError, EmptyCorpusError, store.IndexBusyError, store.IndexBrokenError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the index cannot be written: {error}; the old one is as it was") from None
    _print_built(built)


def _catalogue(ctx: click.Context) -> Catalogue:
    try:
        return locate((ctx.find_root().obj or {}).get("catalogue"))
    except CatalogueError as error:
        raise click.UsageError(str(error)) from None


def _log_text(name: str) -> str:
    """Read a log: at most its last 256 KiB, where the newest lines are; what is no UTF-8 is replaced."""
    from plumbline_search.queries import LARGEST_LOG

    if name == "-":
        content = sys.stdin.buffer.read()
    else:
        with Path(name).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LARGEST_LOG))
            content = file.read()
    text = content[-LARGEST_LOG:].decode("utf-8", errors="replace")
    # A replaced byte is longer than the byte itself.
    while len(text.encode("utf-8")) > LARGEST_LOG:
        text = text[len(text) // 4 :]
    return text


def _check(catalogue: Catalogue) -> None:
    from plumbline_search import store
    from plumbline_search.build import up_to_date
    from plumbline_search.reading import fingerprint
    from plumbline_search.state import index_home

    home = index_home(catalogue)
    try:
        folder = store.current(home)
        store.verify(folder, store.read_manifest(folder))
    except (store.IndexMissingError, store.IndexBrokenError) as error:
        raise click.ClickException(str(error)) from None
    if not (done := up_to_date(home, fingerprint(catalogue))):
        raise click.ClickException(f"{folder}: is not up to date with {catalogue.root}; run plumb index")
    _print_built(done)


def _print_built(built: Built) -> None:
    told = built.manifest
    for complaint in built.complaints:
        click.secho(f"not read: {complaint}", err=True, fg="yellow")
    if built.complaints:
        click.secho("these pages are missing from the index until they are mended: plumb check", err=True, fg="yellow")
    if built.notice:
        click.secho(built.notice, err=True, fg="yellow")
    by = ", ".join(f"{count} by {name}" for name, count in sorted(told.embedded_by.items())) or "no embeddings"
    done = f"built, {built.embedded} of {told.chunks} chunks embedded now" if built.fresh else "up to date"
    click.echo(f"index {done}: {told.pages} pages, {told.sections} sections, {told.chunks} chunks ({by})")


class _Progress:
    """Progress of a build on standard error: a bar on a terminal, one line for each step elsewhere."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._step = ""
        self._shown = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not self._shown,
        )
        self._bar.start()
        self._task = self._bar.add_task("index", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, step: str, done: int, of: int) -> None:
        self._bar.update(self._task, description=f"index: {step}", completed=done, total=of)
        if not self._shown and step != self._step:
            click.echo(f"index: {step}{f' ({of} chunks)' if step == 'embed' else ''} …", err=True)
        self._step = step


def _print(answer: Answer) -> None:
    if answer.notice:
        click.secho(answer.notice, err=True, fg="yellow")
    if answer.corrected:
        click.echo(f"also searched: {answer.corrected}")
    if answer.no_guide:
        click.secho("There is no guide for this.", bold=True)
        click.echo(answer.ask)
        for near in answer.nearest:
            click.echo(f"  nearest: {near.title} ({near.url})")
        return
    for number, result in enumerate(answer.results, 1):
        _print_result(number, result)


def _print_result(number: int, result: Result) -> None:
    click.echo(f"{number}. {click.style(result.title, bold=True)}  [{result.page_kind}]")
    if result.heading != result.title:
        click.echo(f"   {' > '.join([*result.breadcrumb[1:], result.heading])}")
    click.secho(f"   {result.url}", fg="cyan")
    click.echo(f"   {_highlighted(result)}")
    lanes = ", ".join(f"{name} {value:.2f}" for name, value in sorted(result.why.lanes.items()))
    click.echo(f"   why: {lanes}{'; ' + ', '.join(result.why.terms[:6]) if result.why.terms else ''}")
    if result.why.signature:
        click.echo(f"   line: {result.why.signature}")
    if result.diagnostic:
        proven = f"  (guide proven {result.proven_at[:10]})" if result.proven_at else ""
        click.echo(f"   check: plumb diagnose {result.diagnostic}{proven}")


def _highlighted(result: Result) -> str:
    shown, position = "", 0
    for start, end in result.highlights:
        shown += result.snippet[position:start] + click.style(result.snippet[start:end], bold=True)
        position = end
    return shown + result.snippet[position:]
