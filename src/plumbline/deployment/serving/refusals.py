"""A server's refusal, turned back into the error it was."""

from __future__ import annotations

from typing import Any

from plumbline.deployment.core import errors

_FAMILY: tuple[type[errors.DeploymentError], ...] = (
    errors.NotFoundError,
    errors.InvalidError,
    errors.ConflictError,
    errors.FencedError,
    errors.CorruptError,
    errors.UntrustedError,
    errors.UnavailableError,
    errors.FullError,
)
_KINDS: dict[str, type[errors.DeploymentError]] = {
    **{kind.reason: kind for kind in _FAMILY},
    "not_ready": errors.InvalidError,
    "in_flight": errors.UnavailableError,
    "no_version": errors.UnavailableError,
    "unknown_version": errors.NotFoundError,
}


def raised(refusal: dict[str, Any]) -> errors.DeploymentError:
    """Return the error that `DeploymentError.as_dict` was made from; `data["reason"]` keeps the finer reason."""
    facts = dict(refusal)
    reason, sentence = str(facts.get("reason", "failed")), str(facts.pop("error", "refused without a word"))
    kind = _KINDS.get(reason, errors.DeploymentError)
    if kind.reason == reason:
        facts.pop("reason", None)
    return kind(sentence, **facts)
