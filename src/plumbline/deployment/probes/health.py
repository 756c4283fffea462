"""Ask a server whether it is ready, and between that what it is ready for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

from plumbline.deployment.probes import judging
from plumbline.deployment.probes.asking import Reply, Server
from plumbline.deployment.probes.golden import Question, questions
from plumbline.evidence import Endpoint, UnavailableError

ROUNDS = 6
PER_ROUND = 2
"""Two questions, then the health check: of two servers that take turns, both get questions and checks."""
_AWAY = ("not found", "not ready", "not loaded", "unknown model", "no model", "does not exist")
"""What servers say of a model that is not there: MLServer, Triton, KServe, TorchServe."""


class Health(Server):
    """A server, its readiness included; each request has a connection of its own."""

    def ready(self) -> Reply:
        """Ask whether it is ready.

        Raises:
            UnavailableError: Nobody answers, or not in time.
        """
        base = self._path.partition("/v2/models/")[0]
        return self._request("GET", f"{base}/v2/health/ready")


def readings(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of `Readiness`.

    Raises:
        UnavailableError: Nobody says whether the server is ready, or the questions cannot be read.
    """
    known = questions(endpoint.golden or "")
    server = Health(endpoint)
    asked: list[tuple[Question, Reply | None]] = []
    checks: list[int] = []
    turns = islice(cycle(known), ROUNDS * PER_ROUND)
    for number, one in enumerate(turns, start=1):
        asked.append((one, _asked(server, one)))
        if number % PER_ROUND == 0:
            checks.append(server.ready().status)
    return _counted(asked) | {
        "checks": len(checks),
        "ready": sum(status < 400 for status in checks),
        "explained": _explained(endpoint, asked),
    }


def _asked(server: Server, one: Question) -> Reply | None:
    try:
        return server.infer(one.body())
    except UnavailableError:
        return None


def _counted(asked: Sequence[tuple[Question, Reply | None]]) -> dict[str, Any]:
    replies = [(one, reply) for one, reply in asked if reply is not None]
    failed = [reply for _, reply in replies if not reply.given]
    away = [reply for reply in failed if absent(reply)]
    broken = [reply for reply in failed if reply.status >= 500 and not absent(reply)]
    given = [(one, reply) for one, reply in replies if reply.given and one.finite(reply)]
    first = [*away, *broken, *failed][:1]
    return {
        "asked": len(asked),
        "right": sum(one.answered(reply) for one, reply in given),
        "wrong": sum(not one.answered(reply) for one, reply in given),
        "absent": len(away),
        "broken": len(broken),
        "refused": len(failed) - len(away) - len(broken),
        "silent": len(asked) - len(replies),
        "refusal": judging.told(first[0]) if first else "",
    }


def absent(reply: Reply) -> bool:
    """Tell whether a refusal says that the model is not there (yet), in the words of any server."""
    words = reply.sentence.lower()
    return reply.status == 404 or any(one in words for one in _AWAY)


def _explained(endpoint: Endpoint, asked: Sequence[tuple[Question, Reply | None]]) -> bool:
    """Tell whether a mistake in the request or the features explains all wrong answers: no fault of health checks."""
    given = [(one, reply) for one, reply in asked if reply is not None and reply.given and one.finite(reply)]
    if all(one.answered(reply) for one, reply in given):
        return False
    found = judging.answers(endpoint)
    return bool(found.get("exchanged") or found.get("unit_of") or found.get("ignored"))
