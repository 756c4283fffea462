"""From a pipeline's file and a registered version to a file of objects for a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.lanes.fence import durable
from plumbline.deployment.lanes.kubernetes import Limits, Target, Workload, as_yaml, render
from plumbline.deployment.lanes.kubernetes.checking import against
from plumbline.deployment.pipeline.closed import keys, settings
from plumbline.deployment.pipeline.declaration import Pipeline
from plumbline.deployment.pipeline.lane_use import WorkloadUse
from plumbline.deployment.pipeline.parts import BlueGreen, Canary
from plumbline.deployment.pipeline.ports import Built

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file that was written.

    Args:
        path: The file.
        target: For which tool.
        version: What runs then.
        digest: Of its manifest.
        objects: Kind and name of each, in order.
        checked: What they were checked against.
    """

    path: str
    target: Target
    version: str
    digest: str
    objects: tuple[str, ...]
    checked: tuple[str, ...]


def write(pipeline: Pipeline, built: Built, folder: Path, given: Iterable[str] = ()) -> Rendered:
    """Write the objects of a version as `TARGET.yaml`, for `kubectl apply -f`; the same version gives the same bytes.

    Args:
        pipeline: Its lane is `kubernetes`.
        built: The version, as the registry holds it.
        folder: Is made if it is not there.
        given: `KEY=VALUE` for keys of `lane.workload`, before the file's.

    Raises:
        InvalidError: Another lane, a key or value that is none, no image, or an object that its schema refuses.
        UnavailableError: The file cannot be written.
    """
    lane = pipeline.lane
    if lane.kind != "kubernetes":
        raise InvalidError(f"{pipeline.path}: only lane 'kubernetes' is rendered, and this one is '{lane.kind}'")
    strategy = pipeline.strategy
    target: Target = lane.target or ("argo-canary" if isinstance(strategy, Canary) else "argo-bluegreen")
    use = _with(lane.workload or WorkloadUse(), given)
    objects = render(_workload(pipeline, use, built), target)
    path = folder / f"{target}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{folder}: {error.strerror}", path=str(folder)) from error
    durable(path, as_yaml(objects))
    told = tuple(f"{one['kind']}/{one['metadata']['name']}" for one in objects)
    return Rendered(str(path), target, built.version, built.digest, told, tuple(against(objects)))


def _with(use: WorkloadUse, given: Iterable[str]) -> WorkloadUse:
    changes: dict[str, Any] = {}
    for pair in given:
        word, equals, value = pair.partition("=")
        if not equals:
            raise InvalidError(f"--set {pair}: write KEY=VALUE, with one of {', '.join(keys(WorkloadUse))}")
        changes[word] = value if word in ("image", "storage_uri", "previous", "name") else _read(word, value)
    asked = settings(WorkloadUse, changes, "--set")
    fields = {field for field in WorkloadUse.__dataclass_fields__ if field.removesuffix("_s") in changes}
    return replace(use, **{field: getattr(asked, field) for field in fields})


def _read(word: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise InvalidError(f"--set {word}: '{value[:80]}' is no value") from None


def _workload(pipeline: Pipeline, use: WorkloadUse, built: Built) -> Workload:
    if use.image is None:
        raise InvalidError(
            f"{pipeline.path}: no image is named: give 'lane.workload.image', or --set image=REGISTRY/NAME@sha256:… as "
            "your registry has it after 'plumb package'"
        )
    weights = _weights(pipeline.strategy)
    return Workload(
        name=use.name or pipeline.model.name,
        namespace=pipeline.lane.namespace,
        model=pipeline.model.name,
        version=built.version,
        digest=built.digest,
        image=use.image,
        storage_uri=use.storage_uri,
        previous=use.previous,
        replicas=use.replicas,
        cpu=use.cpu,
        memory_mi=use.memory_mi,
        canary_percent=weights[0],
        weights=weights,
        prometheus=use.prometheus,
        limits=Limits(use.error_share, use.p99_s, use.requests, int(use.window_s), use.looks),
        callers=dict(use.callers),
        monitoring=use.monitoring,
        drain_s=int(use.drain_s),
    )


def _weights(strategy: BlueGreen | Canary) -> tuple[int, ...]:
    if isinstance(strategy, BlueGreen):
        return (_PERCENT // 2,)
    return tuple(sorted({max(round(step.share * _PERCENT), 1) for step in strategy.steps}))
