from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_artefacts import LOOKING, artefact

from plumbline.deployment.registry import Registered, Registry


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry", clock=clock) as opened:
        yield opened


@pytest.fixture
def ship(registry: Registry, tmp_path: Path) -> Callable[..., Registered]:
    """Register an artefact made of its arguments."""

    def shipped(content: bytes = b"weights 1", claim: str | None = None, **given: object) -> Registered:
        manifest, files = artefact(tmp_path / "made", content, **given)  # type: ignore[arg-type]
        return registry.register(manifest, files, claim=claim, by="ada", looking=LOOKING)

    return shipped
