"""The lab's registry: versions of a model whose right answers are known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from plumbline.deployment.models import load
from plumbline.deployment.registry.store import Registry
from plumbline.lab import LabError, Topology, Workload
from plumbline.lab.churn import COEFFICIENTS, CUSTOMERS, MODEL, Version, asks
from plumbline.lab.parts import Models, Server
from plumbline.lab.parts.models import ModelsPart
from plumbline.lab.running import running


def test_the_right_answer_is_what_the_coefficients_say() -> None:
    leaves, stays = asks()[:2]
    (_, p) = leaves.expect["probabilities"]
    assert p == pytest.approx(1 / (1 + math.exp(-(-1.0 - 0.15 + 2.1 + 1.6))))
    assert stays.expect["probabilities"][1] < 0.1 < p
    assert [one["name"] for one in leaves.body["inputs"]] == list(COEFFICIENTS)


def test_a_lab_has_a_registry_whose_models_answer_as_their_author_says(tmp_path: Path) -> None:
    versions = (Version(), Version(intercept=0.5, alias="candidate"))
    parts = (Models(versions=versions), Server("web", "web"))
    topology = Topology(victim="web", parts=parts, workload=Workload(requests_hz=2.0, request_path="/healthz"))
    with running(topology, purpose="prove", isolated=True) as lab:
        assert lab.endpoint.model == MODEL
        assert lab.environment["MODELS_REGISTRY"] == lab.endpoint.registry
        golden = json.loads(Path(str(lab.endpoint.golden)).read_text())
        assert len(golden) == len(CUSTOMERS)
        with Registry.open(str(lab.endpoint.registry), read_only=True) as registry:
            assert registry.aliases(MODEL) == dict(
                zip(("production", "candidate"), lab.part("models").numbers, strict=True)
            )
            for alias, version in zip(("production", "candidate"), versions, strict=True):
                stored = registry.get(MODEL, alias)
                folder = registry.materialise(MODEL, alias, tmp_path / alias)
                model = load(folder, stored.manifest, digest=stored.digest)
                for customer in CUSTOMERS:
                    told = model.predict({name: np.array([value]) for name, value in customer.items()})
                    assert told["probabilities"][0][1] == pytest.approx(version.probability(customer), abs=1e-5)
    assert lab.leftovers() == []


def test_versions_that_the_registry_does_not_take_are_told(tmp_path: Path) -> None:
    class Host:
        folder = tmp_path

    (tmp_path / "models").write_text("no folder")
    part = ModelsPart(Host(), Models())  # type: ignore[arg-type]  # of a builder it takes the folder only
    with pytest.raises(LabError, match="not registered"):
        part.start()


def test_a_registry_that_takes_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Host:
        folder = tmp_path

    monkeypatch.setattr("plumbline.lab.parts.models._LONGEST_S", 0.01)
    part = ModelsPart(Host(), Models())  # type: ignore[arg-type]  # of a builder it takes the folder only
    with pytest.raises(LabError, match="took longer"):
        part.start()
