"""Reach what an endpoint names, or say why that is not possible."""

from __future__ import annotations

from typing import Any, cast

from plumbline.evidence import Endpoint, Reason, UnavailableError


def pid_of(endpoint: Endpoint) -> int:
    """Return the target's process id.

    Raises:
        UnavailableError: It names none.
    """
    if endpoint.pid is None:
        raise UnavailableError("not_configured", "the target names no pid; give one: --target pid:1234")
    return endpoint.pid


def asked(endpoint: Endpoint, what: str) -> dict[str, Any]:
    """Return one view of the target's admin socket.

    Raises:
        UnavailableError: It names none, or it does not answer sensibly.
    """
    from plumbline.streaming.probes.adminclient import AdminError, ask

    if not endpoint.admin:
        raise UnavailableError("not_configured", "the target names no admin socket; give one: --target /path/to.sock")
    try:
        answer = ask(endpoint.admin, {"get": what})
    except AdminError as error:
        reason = "malformed" if error.kind == "refused" else error.kind
        raise UnavailableError(cast("Reason", reason), error.sentence) from None
    if not isinstance(answer, dict):
        raise malformed(endpoint, TypeError(what))
    return answer


def malformed(endpoint: Endpoint, error: Exception) -> UnavailableError:
    """Return the error for an answer of an unknown form."""
    return UnavailableError("malformed", f"{endpoint.admin} answered in a form this version does not know ({error})")
