"""What servers tell of a model: Prometheus by its query API, and a model server's own metrics page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.retraining.tables import Found

TIMEOUT_S = 5.0


def queried(url: str, queries: Mapping[str, str]) -> Found:
    """Ask a Prometheus; each query must give one number (a query without data gives no measure).

    Args:
        url: Of the Prometheus, `http://prometheus:9090`.
        queries: PromQL by the measure's name.

    Raises:
        UnavailableError: It does not answer, refuses a query, or answers one with several series.
    """
    measures = {}
    for name, query in queries.items():
        answer = _get(f"{url.rstrip('/')}/api/v1/query", {"query": query}).json()
        series: list[Any] = answer.get("data", {}).get("result", [])
        if isinstance(series, list) and len(series) > 1 and isinstance(series[0], dict):
            raise UnavailableError(f"{url}: '{query}' gives {len(series)} series; aggregate them: one number is wanted")
        if series:
            value = float(series[0]["value"][1] if isinstance(series[0], dict) else series[1])
            if math.isfinite(value):
                measures[name] = value
    return Found(measures)


def scraped(url: str, version: str | None = None) -> Found:
    """Read a model server's metrics page, since its start: `error_share`, `score_mean`, `missing.<feature>`.

    Args:
        url: `http://127.0.0.1:8080/metrics`.
        version: The version that counts; all together by default.

    Raises:
        UnavailableError: It does not answer, or not with metrics.
    """
    try:
        families = list(text_string_to_metric_families(_get(url, {}).text))
    except ValueError as error:
        raise UnavailableError(f"{url} is no metrics page: {error}") from error
    sums: defaultdict[str, float] = defaultdict(float)
    missing: defaultdict[str, float] = defaultdict(float)
    for sample in (one for family in families for one in family.samples):
        if version is not None and sample.labels.get("version", version) != version:
            continue
        if sample.name == "plumbline_model_feature_missing_total":
            missing[sample.labels.get("feature", "?")] += sample.value
        elif sample.name == "plumbline_model_requests_total":
            sums["failed" if _failed(sample.labels.get("outcome", "")) else "answered"] += sample.value
        else:
            sums[sample.name] += sample.value
    return Found(_shares(sums, missing))


def _shares(sums: Mapping[str, float], missing: Mapping[str, float]) -> dict[str, float]:
    measures = {}
    requests = sums.get("answered", 0.0) + sums.get("failed", 0.0)
    if requests:
        measures["error_share"] = sums.get("failed", 0.0) / requests
        measures |= {f"missing.{feature}": count / requests for feature, count in missing.items()}
    if scores := sums.get("plumbline_model_score_count", 0.0):
        measures["score_mean"] = sums.get("plumbline_model_score_sum", 0.0) / scores
    return measures


def _failed(outcome: str) -> bool:
    """Return whether the server is to blame; what a caller sent wrong says nothing of the model."""
    return outcome not in ("", "ok", "invalid", "rejected", "refused")


def _get(url: str, parameters: dict[str, str]) -> httpx.Response:
    try:
        answer = httpx.get(url, params=parameters, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        told = error.response.text[:200].strip()
        raise UnavailableError(f"{url} answers {error.response.status_code}: {told}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(f"{url} does not answer: {error}") from error
    return answer
