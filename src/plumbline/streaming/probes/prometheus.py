"""Ask a Prometheus server (its HTTP API v1), not a page of metrics: how many replicas there were."""

from __future__ import annotations

import time
from typing import Any

from plumbline.evidence import Endpoint, UnavailableError

QUERIES = (
    ("kube_horizontalpodautoscaler_status_desired_replicas", "horizontalpodautoscaler"),
    ("kube_deployment_spec_replicas", "deployment"),
)
STEPS = 240  # a sample every 15 s in an hour
Samples = list[tuple[float, float]]


def replicas(endpoint: Endpoint, window_s: float) -> dict[str, Samples]:
    """Return (seconds, replicas) of each autoscaler, or of each Deployment where there is none, oldest first.

    Raises:
        UnavailableError: There is no such server, or it has no such metric.
    """
    base = (endpoint.metrics or "").partition("/metrics")[0].rstrip("/")
    for metric, label in QUERIES:
        if found := _rows(base, metric, label, window_s):
            return found
    raise UnavailableError(
        "not_configured",
        f"{base} knows neither {' nor '.join(name for name, _ in QUERIES)}; kube-state-metrics has them",
    )


def _rows(base: str, metric: str, label: str, window_s: float) -> dict[str, Samples]:
    import httpx

    now = time.time()
    asked: dict[str, str | float] = {"query": metric, "start": now - window_s, "end": now, "step": window_s / STEPS}
    try:
        answer = httpx.get(f"{base}/api/v1/query_range", params=asked, timeout=5.0, trust_env=False)
        told: Any = answer.json()
        if told["status"] != "success":
            raise UnavailableError("malformed", f"{base} refuses the question: {told.get('error', 'no reason given')}")
        series = told["data"]["result"]
        return {
            f"{one['metric'].get('namespace', '')}/{one['metric'].get(label, '?')}": [
                (float(at), float(value)) for at, value in one["values"]
            ]
            for one in series
            if one["values"]
        }
    except httpx.TimeoutException:
        raise UnavailableError("timeout", f"{base} did not answer within 5 s") from None
    except httpx.HTTPError as error:
        raise UnavailableError("unreachable", f"nobody answers at {base}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnavailableError(
            "malformed", f"{base} is no Prometheus server: it does not answer /api/v1/query_range"
        ) from None
