"""KServe: the server as a runtime of its own, the model as an artefact that is changed without it."""

from __future__ import annotations

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes.kubernetes.parts import MARGIN_S, NOTICE_S, PORT, Object, container, described, volumes
from plumbline.deployment.lanes.kubernetes.workload import Workload

FORMAT = "plumbline"
_MODELS = "/mnt/models"  # where KServe puts the artefact
_API = "serving.kserve.io/v1beta1"


def knative(work: Workload) -> list[Object]:
    """Return runtime and service for KServe's Knative mode: the version before keeps the rest of the requests.

    Raises:
        InvalidError: There is no `storage_uri`.
    """
    predictor = _predictor(work, _uri(work)) | {"canaryTrafficPercent": work.canary_percent}
    runtime = _runtime(work)
    del runtime["spec"]["containers"][0][
        "lifecycle"
    ]  # Knative's own proxy holds the end of a pod back, and allows no other
    return [runtime, _service(work, {"predictor": predictor}, "Knative")]


def standard(work: Workload) -> list[Object]:
    """Return runtime and service for KServe's Standard mode (0.20 and later), with a canary beside `previous`.

    Raises:
        InvalidError: There is no `storage_uri`.
    """
    uri = _uri(work)
    if work.previous is None:
        return [_runtime(work), _service(work, {"predictor": _predictor(work, uri)}, "Standard")]
    beside = {"trafficPercent": work.canary_percent, "predictor": _predictor(work, uri) | {"name": "canary"}}
    spec = {"predictor": _predictor(work, work.previous), "canary": [beside]}
    return [_runtime(work), _service(work, spec, "Standard")]


def _uri(work: Workload) -> str:
    if work.storage_uri is None:
        raise InvalidError("KServe takes the model from a registry: give its storage_uri (oci://…@sha256:…)")
    return work.storage_uri


def _service(work: Workload, spec: Object, mode: str) -> Object:
    found = described(_API, "InferenceService", work, spec)
    found["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": mode}
    return found


def _predictor(work: Workload, uri: str) -> Object:
    model = {
        "name": "kserve-container",
        "modelFormat": {"name": FORMAT},
        "runtime": work.name,
        "protocolVersion": "v2",
        "storageUri": uri,
    }
    return {
        "minReplicas": work.replicas,
        "automountServiceAccountToken": False,
        "timeout": 60,
        "terminationGracePeriodSeconds": NOTICE_S + work.drain_s + MARGIN_S,
        "model": model,
    }


def _runtime(work: Workload) -> Object:
    server = container(work) | {
        "name": "kserve-container",
        "args": [f"--model={work.model}", f"--folder={_MODELS}", "--ref=latest", "--host=0.0.0.0", f"--port={PORT}"],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
    }
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        server[probe] = server[probe] | {"httpGet": server[probe]["httpGet"] | {"port": PORT}}
    spec = {
        "protocolVersions": ["v2"],
        "multiModel": False,
        "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": False}],
        "containers": [server],
        "volumes": volumes(),
    }
    return described("serving.kserve.io/v1alpha1", "ServingRuntime", work, spec)
