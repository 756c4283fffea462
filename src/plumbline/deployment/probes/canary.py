"""Shares and requests of each version, from the metrics of a model server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbline.evidence import UnavailableError

_PATIENCE_S = 5.0
_STEP_S, _STEPS = 1.0, 8
_ENOUGH = 20
"""Requests in a window of which a candidate with half of them would have seen some."""


def address(admin: str) -> str:
    """Return where a server's metrics are.

    Raises:
        UnavailableError: Its admin socket does not answer, or it says none.
    """
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.serving.admin import ask

    try:
        told = ask(Path(admin), {"verb": "status"}, _PATIENCE_S)
    except DeploymentError as error:
        raise UnavailableError("unreachable", error.sentence) from None
    if not isinstance(told.get("metrics"), str):
        raise UnavailableError("malformed", f"{admin} does not say where metrics are: is it a model server's?")
    return str(told["metrics"])


def traffic(url: str, pause: Callable[[float], None]) -> dict[str, Any]:
    """Return the fields of `CanaryTraffic`; it watches longer where little comes.

    Raises:
        UnavailableError: The metrics cannot be read, or hold no shares.
    """
    began = time.monotonic()
    shares, before = _counts(url)
    if len(shares) < 2:
        return {"versions": len(shares)}
    now, after, came = shares, before, dict[str, int]()
    for _ in range(_STEPS):
        pause(_STEP_S)
        now, after = _counts(url)
        came = {name: max(count - before.get(name, 0), 0) for name, count in after.items()}
        if now != shares or sum(came.values()) >= _ENOUGH:
            break
    took_s = max(time.monotonic() - began, _STEP_S)
    if now != shares:
        return {"versions": len(now), "changed": True}
    least = min(shares, key=lambda name: (shares[name], after.get(name, 0)))
    return {
        "versions": len(shares),
        "per_s": sum(came.values()) / took_s,
        "window_s": took_s,
        "candidate": least,
        "share": shares[least],
        "requests": after.get(least, 0),
        "arrived": came.get(least, 0),
        "came": sum(came.values()),
    }


def _counts(url: str) -> tuple[dict[str, float], dict[str, int]]:
    """Return the shares above zero, and the requests, by version."""
    from prometheus_client.parser import text_string_to_metric_families

    shares: dict[str, float] = {}
    requests: dict[str, int] = {}
    for family in text_string_to_metric_families(_page(url)):
        for one in family.samples:
            version = one.labels.get("version", "")
            if one.name == "plumbline_model_share" and one.value > 0:
                shares[version] = one.value
            elif one.name == "plumbline_model_requests_total" and version:
                requests[version] = requests.get(version, 0) + int(one.value)
    if not shares:
        raise UnavailableError("malformed", f"{url} has no plumbline_model_share: no model server, or none that serves")
    return shares, requests


def _page(url: str) -> str:
    import httpx

    try:
        answer = httpx.get(url, timeout=_PATIENCE_S, trust_env=False)
        answer.raise_for_status()
    except httpx.TimeoutException:
        raise UnavailableError("timeout", f"{url} did not answer within {_PATIENCE_S:g} s") from None
    except httpx.HTTPError as error:
        raise UnavailableError("unreachable", f"no metrics at {url}: {error}") from None
    return answer.text
