"""`plumb model lease`: who may deploy, and how that is taken over from somebody who is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plumbline.cli.main import main
from plumbline.deployment.core.errors import FencedError
from plumbline.deployment.registry import Registry


@pytest.fixture
def place(tmp_path: Path) -> Path:
    Registry.open(tmp_path / "registry").close()
    return tmp_path / "registry"


@pytest.fixture
def lease(place):
    def run(*words: str) -> Result:
        return CliRunner().invoke(main, ["model", "lease", "churn", "--registry", str(place), *words])

    return run


def test_a_lease_that_nobody_ever_took_is_free(lease):
    assert "nobody ever held" in lease().output
    assert json.loads(lease("--json").output) == {"model": "churn", "held": False}


def test_a_lease_says_who_has_it_and_for_how_long(lease, place):
    with Registry.open(place) as registry:
        registry.lease("churn", "churn-41@build-7", 3600)
    assert "held by churn-41@build-7, epoch 1, renewed 0 s ago" in lease().output
    told = json.loads(lease("--json").output)
    assert (told["held"], told["holder"], told["epoch"]) == (True, "churn-41@build-7", 1)
    assert 0 < told["left_s"] <= 3600


def test_who_takes_it_over_frees_it_and_the_one_before_is_fenced(lease, place):
    with Registry.open(place) as registry:
        old = registry.lease("churn", "churn-41@build-7", 3600)
        said = lease("--take-over", "--why", "build-7 was shut down", "--by", "ann").output
        assert said == "churn: free; the last was ann: build-7 was shut down, epoch 2\n"
        with pytest.raises(FencedError):
            registry.renew(old, 30)
        assert registry.lease("churn", "churn-42@build-8", 30).epoch == 3


@pytest.mark.parametrize("words", [("--take-over",), ("--why", "because")])
def test_taking_over_needs_a_reason_and_a_reason_is_for_taking_over(lease, words):
    assert lease(*words).exit_code == 2
