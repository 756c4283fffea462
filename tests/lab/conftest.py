from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 60.0  # a limit for what should happen at once; never a measure


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State files of these tests are nobody else's."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("PLUMBLINE_STATE", str(folder))
    (folder / "labs").mkdir()
    return folder / "labs"


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for an event; fail if it never comes."""

    def wait(done: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A copy of the small catalogue that may be spoilt."""
    return Path(shutil.copytree(Path(__file__).parent / "toy", tmp_path / "catalogue"))
