"""What the commands that deploy share: registry, journal, lane, and a voice that says how it goes."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.controller import Controller
    from plumbline.deployment.pipeline.journal import Deployment, Journal
    from plumbline.deployment.pipeline.world import Moment
    from plumbline.deployment.registry.store import Registry

EXIT_WAITING = 3
"""A person has to approve first."""

registry_options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
    click.option("--registry", envvar="PLUMBLINE_REGISTRY", metavar="URL", help="Folder or postgresql://…"),
    click.option("--blobs", metavar="DIR", help="Files of a registry whose metadata are in Postgres."),
]
by_option = click.option("--by", metavar="NAME", help="Who does it, for the journal; your user name by default.")


def with_registry(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a registry."""
    for option in reversed(registry_options):
        command = option(command)
    return command


def who(name: str | None) -> str:
    """Return the name for the journal."""
    return name or f"{getpass.getuser()}@{socket.gethostname()}"


@dataclass(frozen=True)
class Place:
    """An open registry and its journal.

    Args:
        registry: Versions and aliases.
        journal: Of deployments, beside the registry.
        folder: For logs of commands.
        ends: Closes what controllers opened.
    """

    registry: Registry
    journal: Journal
    folder: Path
    ends: ExitStack

    @property
    def shown(self) -> str:
        """Where the registry is, without a password."""
        return self.registry.database.shown

    def controller(self, deployment: Deployment, listen: Callable[[Moment], None]) -> Controller:
        """Return what can run a deployment: its own lane, counts and, if the file is there, work."""
        from plumbline.deployment.pipeline.commands import answered
        from plumbline.deployment.pipeline.controller import Controller
        from plumbline.deployment.pipeline.declaration import load
        from plumbline.deployment.pipeline.observing import Scraped
        from plumbline.deployment.pipeline.reaching import lane_of, metrics_of
        from plumbline.deployment.pipeline.work import PipelineWork

        plan = deployment.plan
        work, path = None, Path(plan.pipeline)
        here, folder = path.parent if plan.pipeline else Path(), self.folder / "deployments" / deployment.id
        if plan.kind == "deploy" and plan.pipeline and path.is_file():
            work = PipelineWork(load(path), self.registry, plan.by, self.folder / "cache", folder / "work.log")
        lane = lane_of(plan.lane, here)
        source = None
        if plan.lane is not None and (plan.metrics or plan.lane.admin or plan.lane.groups):
            asked = partial(metrics_of, plan.lane, here)
            since = {"PLUMBLINE_SINCE": repr(deployment.at)}
            ask = partial(answered, folder=here, log=folder / "watch.log", variables=since)
            source = Scraped(plan.metrics or asked, plan.watch.business, ask)
            self.ends.callback(source.close)
        return Controller(self.journal, self.registry, lane, work, source, listen)


@contextmanager
def opened(registry: str | None, blobs: str | None) -> Iterator[Place]:
    """Open a registry and its journal: `deployments.db` in the registry's folder, or tables in its Postgres."""
    from plumbline.catalogue import state_folder
    from plumbline.deployment.pipeline.journal import Journal
    from plumbline.deployment.registry.store import Registry

    url = registry or str(state_folder() / "registry")
    remote = "://" in url
    with Registry.open(url, None if blobs is None else Path(blobs)) as store, ExitStack() as ends:
        journal = Journal(url if remote else Path(url).expanduser() / "deployments.db")
        ends.callback(journal.close)
        yield Place(store, journal, state_folder() if remote else Path(url).expanduser(), ends)


class Voice:
    """Says on stderr how a deployment goes; a terminal also sees what is being done now."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal

    def hear(self, moment: Moment) -> None:
        """Tell one moment."""
        from rich.markup import escape

        if moment.when == "before" and self._live:
            sys.stderr.write(f"\x1b[2K  … {moment.what}\r")
            sys.stderr.flush()
        elif moment.when == "told":
            self._console.print(f"           [dim]{escape(moment.sentence)}[/dim]")
        elif moment.when == "ended":
            result = str(moment.data["result"])
            colour = {"ok": "green", "same": "green", "overridden": "yellow"}.get(result, "red")
            self._console.print(f"  [{colour}]{result:<12}[/] {moment.what:<10} {escape(moment.sentence)}")
