"""Every guide of the catalogue is proven: its fault is felt, told, found, and mended by its own steps."""

from __future__ import annotations

import pytest

from plumbline.diagnosis.runner import Runner
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.prove import Prover, search

from .conftest import CAMPAIGN, CATALOGUE, marks, provable_here

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in CAMPAIGN.ids])
def test_the_guide_is_proven(name: str, runner: Runner) -> None:
    provable_here(name)
    campaign = Campaign(CATALOGUE, [name])
    prover = Prover(CATALOGUE, runner, find=search())
    (verdict,) = campaign.run(prover, keep=False, keep_going=False, begin=lambda _: None)
    assert verdict.course.proven, verdict.course.failed
