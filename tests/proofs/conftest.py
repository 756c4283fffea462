"""What proofs share: one warm runner, a state folder of their own, and which of them can run on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbline.catalogue import locate
from plumbline.diagnosis.runner import Runner
from plumbline.lab.fault import MACHINE
from plumbline.lab.needs import required
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.subject import SubjectError

CATALOGUE = locate(Path(__file__).parents[2])
CAMPAIGN = Campaign(CATALOGUE, [])


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """One warm worker for all proofs of a session; most diagnostics wait, so there are more than cores."""
    with Runner(CATALOGUE, jobs=16) as started:
        yield started


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs are noted in a folder of their own; guides are found in the index that `make test` has built."""
    built = CATALOGUE.root / ".plumbline/index"
    assert built.is_dir(), "the search index is not built: plumb index"
    (tmp_path / "index").symlink_to(built)
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path))


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Proofs that need the machine run alone: `deploy/test.sh` runs those that are marked so after all others."""
    try:
        needed = CAMPAIGN.subject(name).fault.needs
    except SubjectError:  # the test itself says what is wrong
        return []
    return [pytest.mark.alone] if MACHINE in needed else []


def provable_here(name: str) -> None:
    """Skip what is broken with Linux's own means elsewhere; on Linux a proof that cannot run is red."""
    fault = CAMPAIGN.subject(name).fault()
    if sys.platform != "linux" and required(fault) & {"linux", "netns", "cgroup"}:
        pytest.skip(f"{name} is broken with means of Linux; this is {sys.platform}")
