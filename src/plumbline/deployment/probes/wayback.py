"""Look at the version that served before, as a rollback would: is it there, whole, and made for who calls today?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.deployment.core.contract import Bump, compare
from plumbline.deployment.core.errors import DeploymentError, InvalidError, NotFoundError
from plumbline.deployment.probes import sums, wholeness
from plumbline.deployment.probes.golden import questions
from plumbline.evidence import Endpoint, UnavailableError

if TYPE_CHECKING:
    from plumbline.deployment.registry.records import Stored
    from plumbline.deployment.registry.store import Registry

ALIAS = "production"
WITHIN_S = 15.0
"""Digests are computed for so long; a larger model is compared by its size."""


def wayback(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of `WayBack`.

    Raises:
        UnavailableError: The registry cannot be read, or nothing of this model is in production.
    """
    from plumbline.deployment.registry.store import Registry

    place = endpoint.registry or ""
    if "://" in place:
        raise UnavailableError(
            "not_configured", "only a registry in a folder is read: its files must be on this machine"
        )
    try:
        with Registry.open(Path(place), read_only=True) as registry:
            return _found(registry, endpoint)
    except DeploymentError as error:
        raise UnavailableError("unreachable", error.sentence) from None


def _found(registry: Registry, endpoint: Endpoint) -> dict[str, Any]:
    from plumbline.deployment.pipeline.recovery import target

    model = endpoint.model or ""
    current = registry.aliases(model).get(ALIAS)
    try:
        version = target(registry.history(model), ALIAS, current)
    except NotFoundError:
        return {"current": current or "", "target": ""}
    now, before = registry.get(model, current or ""), registry.get(model, version)
    return (
        {"current": now.version, "target": before.version} | _files(registry, before) | _callers(endpoint, now, before)
    )


def _files(registry: Registry, before: Stored) -> dict[str, Any]:
    named = [
        sums.Expected(registry.blobs.path(one.digest), one.path, one.digest, one.size) for one in before.manifest.files
    ]
    try:
        seen = wholeness.compare(named, WITHIN_S)
    except OSError as error:
        raise UnavailableError("permission", f"files of {before.version} cannot be read: {error.strerror}") from None
    bad = [one for one in seen if one.kind is not None]
    return {
        "files": len(seen),
        "missing": sum(one.kind == "missing" for one in bad),
        "damaged": sum(one.kind != "missing" for one in bad),
        "first_bad": bad[0].one.name if bad else "",
        "collected": before.collected_at is not None,
    }


def _callers(endpoint: Endpoint, now: Stored, before: Stored) -> dict[str, Any]:
    """Hold what is asked today against what the target takes: requests if there are some, else the contracts."""
    broken = [f"{one.where} {one.sentence}" for one in compare(now.manifest.signature, before.manifest.signature)
              if one.bump is Bump.MAJOR]  # fmt: skip
    found: dict[str, Any] = {"breaks": len(broken), "broken": broken[0] if broken else ""}
    if endpoint.golden is None:
        return found
    refusals = list(_refused(endpoint.golden, before))
    told = [one for one in refusals if one]
    return found | {"asked": len(refusals), "refused": len(told), "refusal": told[0] if told else ""}


def _refused(golden: str, before: Stored) -> Iterator[str]:
    """Yield for each known question why the target would not answer it; an empty text if it would."""
    from plumbline.deployment.models.preparing import prepare

    signature = before.manifest.signature
    outputs = {one.name for one in signature.outputs}
    for one in questions(golden):
        lacking = set(one.expect) - outputs
        try:
            if one.named:
                prepare(signature, _plain(one.columns))
            yield f"output '{min(lacking)}' is not among its answers" if lacking else ""
        except InvalidError as error:
            yield error.sentence


def _plain(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [math.nan if cell is None else cell for cell in cells] for name, cells in columns.items()}
