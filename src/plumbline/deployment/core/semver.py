"""Semantic versions of models: the next one follows from what changed, and a lower claim is refused."""

from __future__ import annotations

from semver import Version

from plumbline.deployment.core.contract import Bump
from plumbline.deployment.core.errors import InvalidError

FIRST = "1.0.0"
"""Of a model's first version: from then on callers rely on a contract."""


def parse(text: str) -> Version:
    """Return a version.

    Raises:
        InvalidError: It is not MAJOR.MINOR.PATCH (semver.org 2.0.0).
    """
    try:
        return Version.parse(text)
    except (ValueError, TypeError) as error:
        raise InvalidError(f"'{text}' is no semantic version: expected MAJOR.MINOR.PATCH, such as 2.1.0") from error


def following(last: str, bump: Bump) -> str:
    """Return the version after `last` that rises by `bump`."""
    version = parse(last)
    raised = {Bump.MAJOR: version.bump_major, Bump.MINOR: version.bump_minor, Bump.PATCH: version.bump_patch}
    return str(raised[bump]())


def claimed(claim: str, last: str, bump: Bump) -> str:
    """Return an author's claim that is at least what the change asks for.

    Raises:
        InvalidError: It is no version, or lower than `following(last, bump)`.
    """
    least = following(last, bump)
    if parse(claim) < parse(least):
        raise InvalidError(
            f"version {claim} is too low: after {last} this change is {bump.name.lower()}, so at least {least}",
            claim=claim,
            least=least,
            last=last,
        )
    return str(parse(claim))
