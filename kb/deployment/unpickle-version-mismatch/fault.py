"""The training machine has an older scikit-learn than the server: the next training's pickle loads, and fails."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import CUSTOMERS, PATH, body
from plumbline.lab.parts import Server
from plumbline.lab.parts.part import Built, Part
from plumbline.lab.servers.unpickling import LEFT
from plumbline.lab.service import Asked

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

ASKS = tuple(
    Asked(path=PATH, body=body([one]), expect={"probabilities": (1.0 - left, float(left))})
    for one, left in zip(CUSTOMERS, LEFT, strict=True)
)


@dataclass(frozen=True, slots=True)
class Pickle(Part):
    """Where the model's pickle is: `$MODEL_PICKLE`; the server's start writes it."""

    name: str = "pickle"

    def build(self, host: "Builder") -> "PicklePart":
        """Return it."""
        return PicklePart(host.folder)


class PicklePart(Built):
    """The file in a lab, and the one that the old training machine writes."""

    name = "pickle"

    def __init__(self, folder: Path) -> None:
        self.file, self.older = folder / "model.pkl", folder / "from-training-machine.pkl"

    def environment(self) -> dict[str, str]:
        """Where it is."""
        return {"MODEL_PICKLE": str(self.file)}

    @property
    def target(self) -> Mapping[str, Any]:
        """What diagnostics are told of it."""
        return {"artefact": str(self.file)}


class OldTraining(Fault):
    """The pickle records scikit-learn 1.3.2, and its imputer lacks what today's looks for when it is asked."""

    topology = Topology(
        victim="model",
        parts=(
            Pickle(),
            Server(
                "model",
                "unpickling",
                config={"pickle": "{folder}/model.pkl", "older": "{folder}/from-training-machine.pkl"},
            ),
        ),
        workload=Workload(requests_hz=20.0, asks=ASKS),
    )
    hurts_when = HurtsWhen(request_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Release it."""
        shutil.copy(lab.part("pickle").older, lab.part("pickle").file)
        lab.part("model").restart()
