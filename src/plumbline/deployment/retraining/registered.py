"""What the registry tells of the version that serves: when it was trained, how good it was, when it was promoted."""

from __future__ import annotations

from pathlib import Path

from plumbline.deployment.core.durations import told
from plumbline.deployment.retraining.tables import Found


def registered(url: str, model: str, alias: str, *, now: float, settle_s: float, blobs: Path | None = None) -> Found:
    """Ask a registry for the version behind an alias: `offline.<metric>`, its training time, and a fresh release.

    Args:
        url: A folder or `postgresql://…`.
        model: The model's name.
        alias: What serves.
        now: Unix time.
        settle_s: Time after a release in which any change may be the release's own doing, in seconds.
        blobs: Folder of the files, of a registry in Postgres.

    Raises:
        NotFoundError: There is no such model or alias.
        UnavailableError: The registry cannot be opened.
    """
    from plumbline.deployment.registry.store import Registry

    with Registry.open(url, blobs, read_only=True) as registry:
        stored, moves = registry.get(model, alias), registry.history(model, alias)
    trained_at = stored.manifest.lineage.trained_at
    since = now - moves[-1].at if moves else settle_s
    fresh = f"{stored.version} has been {alias} for {told(max(0.0, since))} only: the release itself may be the cause"
    return Found(
        {f"offline.{name}": value for name, value in stored.manifest.metrics.items()},
        trained_at=stored.registered_at if trained_at is None else trained_at,
        bugs=(fresh,) if since < settle_s else (),
    )
