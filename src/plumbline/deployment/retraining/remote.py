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
PREFIX = "plumbline_model_"
FAULTS = frozenset({"failed", "unavailable", "full", "corrupt", "not_finite"})
"""Outcomes that are the server's or the model's fault; what a caller sent wrong says nothing of either."""

_BY = {
    "requests_total": ("outcome",),
    "rows_total": (),
    "feature_missing_total": ("feature",),
    "score_sum": ("output", "class"),
    "score_count": ("output", "class"),
}


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
    """Read a model server's metrics page, since its start.

    Gives `error_share` (of requests that were the server's to answer), `missing.<feature>` (of rows), and
    `score_mean.<output>`, with `.<class>` where the output has classes.

    Args:
        url: `http://127.0.0.1:8080/metrics`.
        version: The version that counts, as the page's label begins; all together by default.

    Raises:
        UnavailableError: It does not answer, or not with metrics.
    """
    try:
        families = list(text_string_to_metric_families(_get(url, {}).text))
    except ValueError as error:
        raise UnavailableError(f"{url} is no metrics page: {error}") from error
    sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    for sample in (one for family in families for one in family.samples):
        name, labels = sample.name.removeprefix(PREFIX), sample.labels
        if name in _BY and (version is None or labels.get("version", "").split("+")[0] == version):
            sums[name, ".".join(filter(None, (labels.get(key, "") for key in _BY[name])))] += sample.value
    broken = sums["requests_total", "not_finite"]
    return Found(_shares(sums), bugs=(f"{broken:,.0f} answers were not finite",) if broken else ())


def _shares(sums: Mapping[tuple[str, str], float]) -> dict[str, float]:
    def by(name: str) -> dict[str, float]:
        return {part: value for (of, part), value in sums.items() if of == name}

    outcomes, rows, scores = by("requests_total"), sum(by("rows_total").values()), by("score_sum")
    failed = sum(count for outcome, count in outcomes.items() if outcome in FAULTS)
    answered = outcomes.get("ok", 0.0) + failed
    measures = {"error_share": failed / answered} if answered else {}
    if rows:
        measures |= {f"missing.{feature}": count / rows for feature, count in by("feature_missing_total").items()}
    counted = by("score_count")
    return measures | {
        f"score_mean.{part}": total / counted[part] for part, total in scores.items() if counted.get(part)
    }


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
