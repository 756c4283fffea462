"""An open registry with its journal, and what runs a deployment of it: for commands and for the HTTP API alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from plumbline.deployment.pipeline.commands import answered
from plumbline.deployment.pipeline.controller import Controller
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.journal import Deployment, Journal
from plumbline.deployment.pipeline.observing import Scraped
from plumbline.deployment.pipeline.reaching import lane_of, metrics_of
from plumbline.deployment.pipeline.work import PipelineWork
from plumbline.deployment.pipeline.world import Moment
from plumbline.deployment.registry.store import Registry


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
        plan = deployment.plan
        work, path = None, Path(plan.pipeline)
        here, folder = path.parent if plan.pipeline else Path(), self.folder / "deployments" / deployment.id
        if plan.kind == "deploy" and plan.pipeline and path.is_file():
            work = PipelineWork(load(path), self.registry, plan.by, self.folder / "cache", folder / "work.log")
        lane = lane_of(plan.lane, here)
        source = None
        if plan.lane is not None and (plan.metrics or plan.lane.kind != "kubernetes"):
            asked = partial(metrics_of, plan.lane, here)
            since = {"PLUMBLINE_SINCE": repr(deployment.at)}
            ask = partial(answered, folder=here, log=folder / "watch.log", variables=since)
            source = Scraped(plan.metrics or asked, plan.watch.business, ask)
            self.ends.callback(source.close)
        return Controller(self.journal, self.registry, lane, work, source, listen)


@contextmanager
def opened(url: str, blobs: Path | None, state: Path) -> Iterator[Place]:
    """Open a registry and its journal: `deployments.db` in the registry's folder, or tables in its Postgres.

    Args:
        url: A folder or `postgresql://…`.
        blobs: Folder of the files, of a registry in Postgres.
        state: Folder for logs, of a registry in Postgres.
    """
    remote = "://" in url
    with Registry.open(url, blobs) as store, ExitStack() as ends:
        journal = Journal(url if remote else Path(url).expanduser() / "deployments.db")
        ends.callback(journal.close)
        yield Place(store, journal, state if remote else Path(url).expanduser(), ends)
