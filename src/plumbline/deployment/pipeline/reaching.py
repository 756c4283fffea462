"""From the lane that a pipeline's file names to one that can be commanded."""

from __future__ import annotations

from pathlib import Path

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.lanes import Lane
from plumbline.deployment.lanes.artefact import ArtefactLane
from plumbline.deployment.pipeline.grouped import counting, runtime_lane
from plumbline.deployment.pipeline.lane_use import LaneUse
from plumbline.deployment.serving.admin import ask

TIMEOUT_S = 2.0
"""How long a server may take to say where its metrics are."""


def metrics_of(use: LaneUse, folder: Path) -> tuple[str, ...]:
    """Return the URLs of the servers' metrics: of the groups that run, or as each server says on its admin socket.

    Args:
        use: From the file.
        folder: Where its relative paths begin.

    Raises:
        UnavailableError: One does not answer, or does not say.
    """
    if use.kind == "runtime":
        return counting(use, folder)
    urls = []
    for path in (folder / one for one in use.admin):
        url = ask(path, {"verb": "status"}, TIMEOUT_S).get("metrics")
        if not url:
            raise UnavailableError(f"{path}: the server does not say where its metrics are: name them in lane.metrics")
        urls.append(str(url))
    return tuple(urls)


def lane_of(use: LaneUse | None, folder: Path) -> Lane:
    """Return the lane that a file names.

    Args:
        use: From the file.
        folder: Where its relative paths begin.

    Raises:
        InvalidError: It is none that is switched from here.
    """
    if use is None:
        raise InvalidError("no lane is known: name the servers' admin sockets (--admin PATH)")
    if use.kind == "artefact":
        return ArtefactLane([folder / path for path in use.admin])
    if use.kind == "kubernetes":
        raise InvalidError("lane 'kubernetes' is switched by the cluster's own controllers, from manifests (--render)")
    return runtime_lane(use, folder)
