"""`plumb bundle` saves redacted evidence; `plumb replay` judges it, on any machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.diagnose import FORMATS, write
from plumbline.cli.failure import failures

if TYPE_CHECKING:
    from plumbline.diagnosis.bundle import Bundle


@click.command()
@click.argument("selectors", nargs=-1, metavar="[ID|AREA|GLOB]...")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.zip", help="[plumbline-bundle.zip]")
@click.option("--target", metavar="TARGET", help="Name in plumbline.toml, URL, pid:N or admin socket. [lab]")
@click.option("--log", "logs", multiple=True, type=click.Path(path_type=Path), help="Take along the end of this log.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Upper bound for each.")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Diagnostics at the same time.")
@click.option("--force", is_flag=True, help="Replace FILE.zip if it exists.")
@click.pass_obj
def bundle(
    obj: dict[str, Any],
    selectors: tuple[str, ...],
    output: Path | None,
    target: str | None,
    logs: tuple[Path, ...],
    timeout: float | None,
    jobs: int,
    force: bool,
) -> None:
    """Save redacted evidence and the report that follows from it in one zip.

    Secret fields are dropped, internal ones (addresses, paths, names, pids) become labels, free text goes through
    patterns for secrets. Nothing is sent anywhere.
    """
    with failures():
        from plumbline.catalogue import locate
        from plumbline.diagnosis import bundle as bundles
        from plumbline.diagnosis.archive import BundleError
        from plumbline.diagnosis.catalogue import origins
        from plumbline.diagnosis.progress import Progress
        from plumbline.diagnosis.runner import Runner
        from plumbline.diagnosis.select import match
        from plumbline.diagnosis.targets import resolve

        path = output or Path("plumbline-bundle.zip")
        if path.exists() and not force:
            raise BundleError(f"{path}: exists already; choose another name with -o, or --force")
        catalogue = locate(obj.get("catalogue"))
        ids = match([origin.id for origin in origins(catalogue)], selectors)
        wish = bundles.Wish(ids, resolve(target), logs, timeout)
        with Runner(catalogue, jobs=jobs) as runner, Progress(sys.stderr, live=sys.stderr.isatty()) as progress:
            saved = bundles.save(runner, wish, path, progress)
        _tell(saved, len(logs))


def _tell(saved: Bundle, logs: int) -> None:
    from plumbline.diagnosis.formats.tally import tally

    click.echo(f"{saved.path}: {tally(saved.report)}")
    click.echo(
        f"  evidence of {len(saved.evidence)} diagnostics, {logs} logs; judge it with: plumb replay {saved.path}"
    )
    counts = ", ".join(f"{count} {rule}" for rule, count in saved.manifest["redaction"].items())
    click.echo(f"  redacted: {counts or 'nothing'}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="human", show_default=True)
@click.option("--strict", is_flag=True, help="Exit 3 when the worst is a warning.")
@click.pass_obj
def replay(obj: dict[str, Any], file: Path, format_: str, strict: bool) -> None:
    """Judge the evidence of a bundle: same evidence, same diagnostics, same report, whatever machine this is."""
    with failures():
        from plumbline.catalogue import locate
        from plumbline.diagnosis import bundle as bundles
        from plumbline.diagnosis.runner import Runner

        opened = bundles.open_(file)
        with Runner(locate(obj.get("catalogue"))) as runner:
            report = bundles.replay(runner, opened)
            for name in bundles.changed(runner, opened):
                click.echo(f"plumb: '{name}' is another version than the one the bundle was made with", err=True)
        write(report, format_)
        sys.exit(report.exit_code(strict=strict))
