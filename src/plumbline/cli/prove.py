"""`plumb prove`: inject, red, found, fixed, green; exit 0 only if every guide is proven."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from plumbline.catalogue import CatalogueError, locate

if TYPE_CHECKING:
    from plumbline.lab.proof.campaign import Verdict
    from plumbline.lab.proof.course import Phase

CHECKS = 16
"""Diagnostics of one proof at the same time: most of them wait for a window to pass, so more than there are cores."""


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--record", "keep", is_flag=True, help="Write docs/proof/<area>/<slug>.json; else nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.option("--keep-going", is_flag=True, help="Go on after a guide that is not proven.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Proofs at the same time.")
@click.pass_obj
def prove(
    obj: dict[str, str | None], ids: tuple[str, ...], keep: bool, as_json: bool, keep_going: bool, jobs: int
) -> None:
    """Prove guides: break the real component, see the diagnostic go red, find the guide, fix it as it says, see green.

    Without an ID all guides are proven. A proof that cannot run is red. Side by side, each lab has a network namespace
    of its own as far as the machine allows it; proofs that need the machine to themselves come last, one by one.
    """
    from plumbline.diagnosis.runner import Runner
    from plumbline.lab.interrupt import orderly
    from plumbline.lab.proof.campaign import Campaign
    from plumbline.lab.proof.prove import Prover, search

    try:
        catalogue = locate(obj["catalogue"])
        campaign = Campaign(catalogue, ids)
    except CatalogueError as error:
        raise click.UsageError(str(error)) from None
    verdicts = []
    voice = Voice(len(campaign.ids), together=jobs > 1)
    with orderly(farewell), Runner(catalogue, jobs=CHECKS * jobs) as runner:
        prover = Prover(catalogue, runner, find=search(), listen=voice.tell)
        for verdict in campaign.run(prover, keep=keep, keep_going=keep_going, begin=voice.announce, jobs=jobs):
            verdicts.append(verdict)
            voice.conclude(verdict)
    if as_json:
        click.echo(json.dumps([verdict.record or bare(verdict) for verdict in verdicts], indent=2))
    else:
        table(verdicts, len(campaign.ids))
    if len(verdicts) < len(campaign.ids) or not all(verdict.course.proven for verdict in verdicts):
        raise SystemExit(1)


class Voice:
    """Says on stderr how the proofs go.

    Args:
        wanted: Number of guides.
        together: Several are proven at the same time: what is said of one is kept until its end, so that lines do not
            mix; a terminal sees meanwhile who is at which phase.
    """

    def __init__(self, wanted: int, *, together: bool) -> None:
        self.wanted = wanted
        self.together = together
        self.done = 0
        self._said: dict[str, list[str]] = {}
        self._now: dict[str, str] = {}

    def announce(self, name: str) -> None:
        """Say which guide comes."""
        self._say(name, click.style(name, bold=True))

    def tell(self, name: str, act: str, phase: Phase | None) -> None:
        """Say that a phase begins (on a terminal only), or how it went."""
        if phase is None:
            self._now[name] = act
            self._progress()
            return
        word = click.style("proven", fg="green") if phase.ok else click.style("RED   ", fg="red", bold=True)
        self._say(name, f"  {word}   {phase.name:<9} {phase.duration_s:5.1f} s  {phase.sentence}")

    def conclude(self, verdict: Verdict) -> None:
        """Say how a guide fared."""
        course = verdict.course
        self.done += 1
        if course.proven:
            last = click.style(f"  {course.id} is proven, in {course.duration_s:.1f} s\n", fg="green")
        else:
            where = course.failed.name if course.failed else course.phases[-1].name
            last = click.style(f"  {course.id} is not proven: it fails at '{where}'\n", fg="red")
        self._now.pop(course.id, None)
        click.echo("\n".join([*self._said.pop(course.id, []), last]), err=True)
        self._progress()

    def _say(self, name: str, line: str) -> None:
        if self.together:
            self._said.setdefault(name, []).append(line)
        else:
            click.echo(line, err=True)

    def _progress(self) -> None:
        if sys.stderr.isatty():
            at = " · ".join(f"{name.partition('.')[2]} {act}" for name, act in dict(self._now).items())
            click.echo(f"\x1b[2K  {self.done} of {self.wanted}  {at}\r", nl=False, err=True)


def table(verdicts: list[Verdict], wanted: int) -> None:
    """Print one line per guide, and the sum."""
    click.echo(f"{'guide':<36} {'proof':<12} {'to red':>8} {'to green':>9} {'in all':>8}  guide found at")
    for verdict in verdicts:
        course = verdict.course
        outcome = "proven" if course.proven else f"{course.failed.name if course.failed else '?'} RED"
        ranks = [one.rank for one in course.found]
        rank = "-" if not ranks else "none" if None in ranks else f"rank {max(one or 0 for one in ranks)}"
        click.echo(
            f"{course.id:<36} {outcome:<12} {seconds(course.time_to_red_s):>8} {seconds(course.time_to_green_s):>9} "
            f"{seconds(course.duration_s):>8}  {rank}"
        )
    proven = sum(verdict.course.proven for verdict in verdicts)
    click.echo(f"{proven} of {wanted} proven")


def seconds(value: float | None) -> str:
    """Return a time for the table."""
    return "-" if value is None else f"{value:.1f} s"


def bare(verdict: Verdict) -> dict[str, object]:
    """Return what there is to say of a guide that could not be read."""
    course = verdict.course
    phases = [{"name": one.name, "ok": one.ok, "sentence": one.sentence} for one in course.phases]
    return {"id": course.id, "proven": False, "phases": phases}


def farewell() -> None:
    """Say that an interrupt left nothing behind."""
    click.echo("\nplumb: interrupted; nothing of the lab remains", err=True)
