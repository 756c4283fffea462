"""Leave one feature empty after the other: what does the server make of it?"""

from __future__ import annotations

from typing import Any

from plumbline.deployment.probes.asking import Server
from plumbline.deployment.probes.golden import questions
from plumbline.evidence import Endpoint

_MOST = 50


def gaps(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of `MissingValues`.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    asked = questions(endpoint.golden or "")
    whole = next((one for one in asked if not one.gaps), asked[0])
    server = Server(endpoint)
    told: dict[str, list[str]] = {"refused": [], "predicted": [], "not_finite": [], "broken": []}
    for name in list(whole.columns)[:_MOST]:
        if not server.in_time:
            break
        reply = server.infer(whole.body({**whole.columns, name: (None,) * len(whole.columns[name])}))
        if reply.status >= 500:
            told["broken"].append(name)
        elif not reply.given:
            told["refused"].append(name)
        else:
            told["predicted" if whole.finite(reply) else "not_finite"].append(name)
    return {
        "tried": sum(map(len, told.values())),
        "refused": len(told["refused"]),
        "predicted": len(told["predicted"]),
        "not_finite": tuple(told["not_finite"]),
        "broken": tuple(told["broken"]),
    }
