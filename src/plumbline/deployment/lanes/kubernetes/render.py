"""One workload in the words of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, get_args

import yaml

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes.kubernetes import argo, kserve
from plumbline.deployment.lanes.kubernetes.checking import check
from plumbline.deployment.lanes.kubernetes.parts import Object, described, pod_template, service, surroundings
from plumbline.deployment.lanes.kubernetes.workload import Workload

Target = Literal["plain", "argo-bluegreen", "argo-canary", "kserve", "kserve-knative"]
TARGETS: tuple[Target, ...] = get_args(Target)


def render(work: Workload, target: Target) -> list[Object]:
    """Return the objects, in the order in which they are to be applied. The same workload gives the same objects.

    Each was held against its schema; see `checking`.

    Args:
        work: What is to run.
        target: `plain` Kubernetes, Argo Rollouts (`argo-bluegreen`, `argo-canary`), or KServe (`kserve` is its Standard
            mode, which needs 0.20; `kserve-knative` is the one before).

    Raises:
        InvalidError: There is no such target, or the workload lacks what it needs.
    """
    makers: dict[str, Callable[[Workload], list[Object]]] = {
        "plain": _plain,
        "argo-bluegreen": argo.blue_green,
        "argo-canary": argo.canary,
        "kserve": kserve.standard,
        "kserve-knative": kserve.knative,
    }
    if target not in makers:
        raise InvalidError(f"'{target}' is no target: {', '.join(TARGETS)}", given=target)
    made = makers[target](work)
    objects = made if target.startswith("kserve") else [*surroundings(work), *made]
    for one in objects:
        check(one)
    return objects


def as_yaml(objects: Iterable[Object]) -> str:
    """Return the objects as one file for `kubectl apply -f`."""
    return yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, explicit_start=True, width=120)


class _Plain(yaml.SafeDumper):
    """Writes shared parts in full: an alias reads badly, and not every tool takes one."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _plain(work: Workload) -> list[Object]:
    spec = {
        "replicas": work.replicas,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": work.selector},
        # A new pod is ready, golden rows answered, before an old one ends.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": 5,
        "template": pod_template(work),
    }
    return [described("apps/v1", "Deployment", work, spec), service(work)]
