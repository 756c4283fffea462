"""The lab's build server: it releases the newest version under the lease, and writes down when it may not."""

import asyncio
import json
from pathlib import Path

import pytest

from plumbline.deployment.registry.store import Registry
from plumbline.lab.churn import INTERCEPT, MODEL, Version
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.models import register
from plumbline.lab.servers.releaser import _DEFAULTS, Releaser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("registry")
    register(str(found), [Version(), Version(intercept=INTERCEPT + 1e-5, alias=None)])
    return found


@pytest.fixture
def releaser(place: Path, tmp_path: Path) -> Releaser:
    (tmp_path / "releaser.json").write_text(json.dumps({"registry": str(place)}))
    return Releaser(Config(tmp_path / "releaser.json", _DEFAULTS), tmp_path / "releases.jsonl")


def test_it_lets_production_follow_the_newest_version_and_gives_the_lease_back(place, releaser) -> None:
    releaser.once()
    with Registry.open(place, read_only=True) as registry:
        newest = registry.versions(MODEL)[0].version
        assert registry.aliases(MODEL)["production"] == newest
        assert registry.history(MODEL)[-1].epoch is not None
        assert registry.leased(MODEL) is None
    assert asyncio.run(releaser.handle("/", {})).value == {"last": f"churn {newest} is released"}
    assert asyncio.run(releaser.handle("/other", {})).status == 404


def test_it_is_refused_while_somebody_else_holds_the_lease(place, releaser, tmp_path) -> None:
    with Registry.open(place) as registry:
        theirs = registry.lease(MODEL, "churn-41@build-7", 3600)
        releaser.once()
        registry.release(theirs)
    releaser.once()
    told = [json.loads(line) for line in (tmp_path / "releases.jsonl").read_text().splitlines()]
    assert [one["ok"] for one in told] == [False, True]
    assert "is being deployed by churn-41@build-7" in told[0]["said"]
