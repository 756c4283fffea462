"""Reach what an endpoint names, or say why that is not possible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from plumbline.evidence import AS_USER, Endpoint, Reason, UnavailableError, linux_only, looking_into, pid_of


@contextmanager
def process_of(endpoint: Endpoint, elsewhere: str, right: str = AS_USER) -> Iterator[int]:
    """Give the id of the target's process to whoever reads its `/proc`, and turn what goes wrong into sentences.

    Args:
        endpoint: The target.
        elsewhere: What to say outside of Linux.
        right: What helps if the process belongs to another user.

    Raises:
        UnavailableError: Not on Linux, no pid, no such process, or it belongs to another user.
    """
    linux_only(elsewhere)
    pid = pid_of(endpoint)
    with looking_into(pid, right):
        yield pid


def asked(endpoint: Endpoint, what: str, timeout_s: float = 5.0) -> dict[str, Any]:
    """Return one view of the target's admin socket; a step of the exchange may take so many seconds.

    Raises:
        UnavailableError: It names none, or it does not answer sensibly.
    """
    from plumbline.streaming.probes.adminclient import AdminError, ask

    if not endpoint.admin:
        raise UnavailableError("not_configured", "the target names no admin socket; give one: --target /path/to.sock")
    try:
        answer = ask(endpoint.admin, {"get": what}, timeout_s)
    except AdminError as error:
        reason = "malformed" if error.kind == "refused" else error.kind
        raise UnavailableError(cast("Reason", reason), error.sentence) from None
    if not isinstance(answer, dict):
        raise malformed(endpoint, TypeError(what))
    return answer


def malformed(endpoint: Endpoint, error: Exception) -> UnavailableError:
    """Return the error for an answer of an unknown form."""
    return UnavailableError("malformed", f"{endpoint.admin} answered in a form this version does not know ({error})")
