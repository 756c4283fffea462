"""Which registries this app shows, by name: a browser never names a place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.catalogue import state_folder
from plumbline.diagnosis import redact
from plumbline.diagnosis.targets import TargetError, names, resolve
from plumbline.web.errors import Refusal
from plumbline.web.settings import WebSettings

if TYPE_CHECKING:
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.pipeline.journal import Deployment, Entry, Journal
    from plumbline.deployment.registry.store import Registry

DEFAULT = "default"
"""Name of the registry that commands use, too, if they are told no other."""

VARIABLE = "PLUMBLINE_REGISTRY"
HOW_TO_NAME = 'a [targets.NAME] of plumbline.toml with registry = "…" adds one'


@dataclass(frozen=True, slots=True)
class Place:
    """A registry, open for reading.

    Args:
        name: Among those of the app.
        shown: Where it is, without secrets.
        registry: Versions and aliases.
        journal: Of deployments; None where nothing was deployed yet.
    """

    name: str
    shown: str
    registry: Registry
    journal: Journal | None

    def deployments(self, model: str | None = None) -> list[Deployment]:
        """Return deployments, the newest first."""
        return [] if self.journal is None else self.journal.deployments(model)

    def deployment(self, deployment: str) -> tuple[Deployment, list[Entry]]:
        """Return one deployment and its lines.

        Raises:
            Refusal: There is none of that id (404).
            DeploymentError: The journal cannot be read.
        """
        if self.journal is None:
            raise Refusal(404, "not_found", f"nothing was deployed from {self.shown} yet", "plumb deploy PIPELINE")
        return self.journal.get(deployment), self.journal.entries(deployment)


def known(settings: WebSettings) -> dict[str, str]:
    """Return the addresses of the registries that are shown, by name.

    Raises:
        Refusal: plumbline.toml is wrong (503).
    """
    found = {DEFAULT: settings.registry or os.environ.get(VARIABLE) or str(state_folder() / "registry")}
    try:
        for name in names():
            url = resolve(name).registry
            if url and not url.startswith(("http://", "https://")):  # another system's: diagnostics look at those
                found[name] = url
    except TargetError as error:
        raise Refusal(503, "targets", str(error), "mend the file; the next request reads it again") from None
    return found


def place_of(name: str, settings: WebSettings) -> str:
    """Return the address of a registry.

    Raises:
        Refusal: The app shows none of that name (404).
    """
    found = known(settings)
    if name not in found:
        raise Refusal(404, "no_registry", f"no registry '{name[:80]}' is shown here: {', '.join(found)}", HOW_TO_NAME)
    return found[name]


def shown(url: str) -> str:
    """Return an address without its secrets."""
    return redact.text(url)


def is_there(url: str) -> bool:
    """Say whether a folder holds a registry; a database is asked when it is opened."""
    return "://" in url or (Path(url).expanduser() / "registry.db").is_file()


def journal_of(url: str) -> str | Path:
    """Return where the journal of a registry is."""
    return url if "://" in url else Path(url).expanduser() / "deployments.db"


@contextmanager
def refusing() -> Iterator[None]:
    """Answer what the deployment refuses as the app refuses.

    Raises:
        Refusal: It did, or its packages are not installed (503).
    """
    try:
        from plumbline.deployment.core.errors import DeploymentError
        from plumbline.deployment.pipeline import journal  # noqa: F401
    except ImportError as error:
        sentence = f"the deployment's packages are not installed: {error.name} is missing"
        raise Refusal(503, "not_installed", sentence, "pip install 'plumbline[deployment]'") from None
    try:
        yield
    except DeploymentError as error:
        raise refused(error) from error


def refused(error: DeploymentError) -> Refusal:
    """Return a deployment's error as an answer of the app."""
    return Refusal(error.status, error.reason, redact.text(error.sentence))


@contextmanager
def opened(name: str, settings: WebSettings) -> Iterator[Place]:
    """Open a registry and its journal, changing nothing.

    Raises:
        Refusal: There is none of that name, or it cannot be read.
    """
    url = place_of(name, settings)
    with refusing(), ExitStack() as ends:
        from plumbline.deployment.pipeline.journal import Journal
        from plumbline.deployment.registry.store import Registry

        if not is_there(url):
            raise Refusal(404, "empty", f"there is no registry in {shown(url)} yet", how_to_begin(url))
        files = state_folder() / "blobs" if "://" in url else None  # no file is read here
        registry = ends.enter_context(Registry.open(url, files, read_only=True))
        where, journal = journal_of(url), None
        if isinstance(where, str) or where.is_file():
            journal = Journal(where, read_only=True)
            ends.callback(journal.close)
        yield Place(name, shown(url), registry, journal)


def how_to_begin(url: str) -> str:
    """Return the command that puts a first model into a registry."""
    option = "" if url == str(state_folder() / "registry") else f" --registry {shown(url)}"
    return f"plumb model register FOLDER{option}, or plumb deploy PIPELINE{option}"
