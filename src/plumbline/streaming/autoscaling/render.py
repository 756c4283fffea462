"""The same policy as Kubernetes objects: a HorizontalPodAutoscaler, or a KEDA ScaledObject. Pure."""

from __future__ import annotations

from typing import Any

from plumbline.streaming.autoscaling.policy import TOLERANCE, Direction, Metric, Policy

PREFIX = "plumbline_gateway_"
QUERIES = {
    "connections": "sum({0}connections{{{1}}})",
    "deliveries_per_second": "sum(rate({0}deliveries_total{{{1}}}[1m]))",
}


class RenderError(ValueError):
    """The policy has no form as this object; the message is one sentence."""


def hpa(policy: Policy, *, name: str, namespace: str | None = None) -> dict[str, Any]:
    """Return an `autoscaling/v2` HorizontalPodAutoscaler for a Deployment.

    Args:
        policy: The rules.
        name: Of the Deployment, and of the object.
        namespace: Where both live; None leaves it to whoever applies it.
    """
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": policy.min_replicas,
        "maxReplicas": policy.max_replicas,
        "metrics": [_metric(item) for item in policy.metrics],
        "behavior": behavior(policy),
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(name, namespace),
        "spec": spec,
    }


def scaled_object(policy: Policy, *, name: str, prometheus: str, namespace: str | None = None) -> dict[str, Any]:
    """Return a KEDA ScaledObject for a Deployment, with one Prometheus query per metric.

    Args:
        policy: The rules.
        name: Of the Deployment and its Service, and of the object.
        prometheus: Address of the Prometheus server.
        namespace: Where they live.

    Raises:
        RenderError: A metric has no query known here, or compares one `value` that KEDA would have to average.
    """
    spec = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": policy.min_replicas,
        "maxReplicaCount": policy.max_replicas,
        "pollingInterval": max(1, round(policy.sync_period_s)),
        # A Prometheus that does not answer must not look like an empty gateway.
        "fallback": {"failureThreshold": 3, "replicas": policy.max_replicas, "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior(policy)}},
        "triggers": [_trigger(item, name, prometheus, namespace) for item in policy.metrics],
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(name, namespace),
        "spec": spec,
    }


def behavior(policy: Policy) -> dict[str, Any]:
    """Return the `behavior` of an `autoscaling/v2` object."""
    return {"scaleUp": _direction(policy.up), "scaleDown": _direction(policy.down)}


def _metadata(name: str, namespace: str | None) -> dict[str, str]:
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def _direction(rules: Direction) -> dict[str, Any]:
    words = {"max": "Max", "min": "Min", "disabled": "Disabled", "pods": "Pods", "percent": "Percent"}
    rates = [{"type": words[one.type], "value": one.value, "periodSeconds": one.period_s} for one in rules.rates]
    # `tolerance` wants Kubernetes 1.35 (or its feature gate), so the default is not written out.
    tolerance = {} if rules.tolerance == TOLERANCE else {"tolerance": f"{rules.tolerance:g}"}
    return {
        "stabilizationWindowSeconds": rules.stabilization_s,
        "selectPolicy": words[rules.select],
        "policies": rates,
        **tolerance,
    }


def _metric(item: Metric) -> dict[str, Any]:
    kind, number = ("AverageValue", item.average_value) if item.value is None else ("Value", item.value)
    target = {"type": kind, "averageValue" if kind == "AverageValue" else "value": quantity(float(number or 0))}
    form, key = ("Pods", "pods") if item.over == "pods" else ("External", "external")
    return {"type": form, key: {"metric": {"name": PREFIX + item.name}, "target": target}}


def _trigger(item: Metric, name: str, prometheus: str, namespace: str | None) -> dict[str, Any]:
    query = QUERIES.get(item.name)
    if query is None:
        raise RenderError(f"no Prometheus query is known for the metric '{item.name}'; known are {', '.join(QUERIES)}")
    labels = f'service="{name}"' + (f',namespace="{namespace}"' if namespace else "")
    return {
        "type": "prometheus",
        "metricType": "AverageValue" if item.value is None else "Value",
        "metadata": {
            "serverAddress": prometheus,
            "query": query.format(PREFIX, labels),
            "threshold": quantity(item.target),
            "ignoreNullValues": "false",
        },
    }


def quantity(value: float) -> str:
    """Return a number as a Kubernetes quantity: whole, or in thousandths (`1500m`)."""
    return str(int(value)) if value == int(value) else f"{round(value * 1000)}m"
