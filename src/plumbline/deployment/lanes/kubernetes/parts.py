"""What every target has: pods that tell the truth about being ready, end gently and may do next to nothing."""

from __future__ import annotations

from typing import Any

from plumbline.deployment.lanes.kubernetes.workload import Workload

Object = dict[str, Any]
PORT = 8080
NOTICE_S = 10
"""A pod that ends still serves for this long, in seconds: proxies hear of its end only after a while."""
MARGIN_S = 10
USER = 65532  # of the server's image
_WRITABLE = {"tmp": "/tmp", "run": "/run/plumbline"}  # noqa: S108 - of the container, a volume of its own


def described(api: str, kind: str, work: Workload, spec: Object | None, name: str | None = None) -> Object:
    """Return an object with its name and labels."""
    metadata = {"name": name or work.name, "namespace": work.namespace, "labels": work.labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata} | ({} if spec is None else {"spec": spec})


def container(work: Workload) -> Object:
    """Return the server's container; it has its model in its image and says by itself what it serves."""
    return {
        "name": "server",
        "image": work.image,
        "ports": [{"name": "http", "containerPort": PORT}],
        # Each version is loaded, warmed and asked its golden rows before it is ready.
        "startupProbe": _probe("/v2/health/live", period=1, failures=120),
        "readinessProbe": _probe("/v2/health/ready", period=2, failures=2),
        "livenessProbe": _probe("/v2/health/live", period=20, failures=3),
        # `sleep` is done by the kubelet: the image has no shell and no programs.
        "lifecycle": {"preStop": {"sleep": {"seconds": NOTICE_S}}},
        "resources": {
            "requests": {"cpu": f"{round(work.cpu * 1000)}m", "memory": f"{work.memory_mi}Mi"},
            "limits": {"memory": f"{work.memory_mi}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in _WRITABLE.items()],
    }


def volumes() -> list[Object]:
    """Return the only places that a server may write to; both end with the pod."""
    return [
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def pod_template(work: Workload) -> Object:
    """Return the template of pods, restricted as Kubernetes' Pod Security Standards have it."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": work.selector},
    }
    return {
        "metadata": {
            "labels": work.labels,
            "annotations": {"plumbline.dev/digest": work.digest, "plumbline.dev/version": work.version},
        },
        "spec": {
            "serviceAccountName": work.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": NOTICE_S + work.drain_s + MARGIN_S,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [spread],
            "containers": [container(work)],
            "volumes": volumes(),
        },
    }


def service(work: Workload, suffix: str = "") -> Object:
    """Return a Service before the pods; a controller narrows its selector where there are two versions."""
    spec = {"selector": work.selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return described("v1", "Service", work, spec, work.name + suffix)


def surroundings(work: Workload) -> list[Object]:
    """Return what stands around the pods: an account without rights, a budget, and who may come in."""
    account = described("v1", "ServiceAccount", work, None) | {"automountServiceAccountToken": False}
    budget = described(
        "policy/v1",
        "PodDisruptionBudget",
        work,
        {
            "selector": {"matchLabels": work.selector},
            "maxUnavailable": 1,
            # A pod that is not ready serves nobody: it must not hold up the draining of a node.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
    return [account, budget, network(work)]


def network(work: Workload) -> Object:
    """Return the policy: callers and the metrics' reader come in; nothing goes out."""
    readers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": work.monitoring}}}
    callers = {"podSelector": {"matchLabels": dict(work.callers)} if work.callers else {}}
    spec = {
        "podSelector": {"matchLabels": work.selector},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [callers, readers], "ports": [{"port": "http", "protocol": "TCP"}]}],
        "egress": [],
    }
    return described("networking.k8s.io/v1", "NetworkPolicy", work, spec)


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
