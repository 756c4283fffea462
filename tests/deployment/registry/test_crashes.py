"""`kill -9` between any two steps leaves a consistent registry; of several movers exactly one wins. Real processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_processes import ran
from small_artefacts import LOOKING, artefact

from plumbline.deployment.registry import Registry


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing that the kernel has."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("scenario", "least"), [("registering", 30), ("moving", 10), ("collecting", 8), ("creating", 20)]
)
def test_killed_at_any_step_the_registry_is_consistent_and_goes_on(quick, scenario, least):
    assert int(ran("crashing.py", scenario, quick)) >= least


def test_of_four_processes_that_move_an_alias_at_once_exactly_one_wins(tmp_path):
    with Registry.open(tmp_path) as registry:
        for content in (b"1", b"2"):
            manifest, files = artefact(tmp_path / "made", content)
            registry.register(manifest, files, by="ada", looking=LOOKING)
        assert ran("racing.py", tmp_path, tmp_path / "blobs", 5).split() == ["1"] * 5
        assert [move.target for move in registry.history("churn")] == ["1.0.0", "1.0.1", "1.0.0", "1.0.1", "1.0.0"]


def test_of_four_processes_that_open_a_new_registry_at_once_none_fails(tmp_path):
    code = "import sys; from plumbline.deployment.registry import Registry; Registry.open(sys.argv[1]).close()"
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "new")]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
