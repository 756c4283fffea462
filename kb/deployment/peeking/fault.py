"""The next A/A test is decided by a new script: it looks each day, and stops at the first p below 0.05."""

import json
import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload
from plumbline.lab.parts import Declared, Server

EXPERIMENT = """\
experiment: button-13
log: button-13.log
arms:
  - {name: control, share: 0.5}
  - {name: treatment, share: 0.5}
metrics:
  - {name: bought, kind: share, mean: 0.1, detect: 0.03}
units: 6000
"""


class LooksDaily(Fault):
    """Both arms are the same page, so whoever wins has won by chance.

    Who comes follows from the experiment's name: of button-25 to button-324, 32 % are significant on one of 60 days.
    """

    topology = Topology(
        victim="decider",
        parts=(
            Declared("button", EXPERIMENT, field="experiment"),
            Server("decider", "decider", config={"experiment": "{button.file}", "rule": "sequential", "level": 0.05}),
        ),
        workload=Workload(requests_hz=10.0, request_path="/"),
    )

    def inject(self, lab: Lab) -> None:
        """Change the script, then begin the next test."""
        lab.part("decider").tell(rule="fixed")
        file = lab.part("button").file
        file.write_text(file.read_text().replace("button-13", "button-62"))

    def felt(self, lab: Lab) -> Felt:
        """It hurts when the page that everybody gets was chosen for an effect that is not there."""
        shipped = lab.folder / "shipped.jsonl"
        done = [json.loads(line) for line in shipped.read_text().splitlines()] if shipped.exists() else []
        wrong = bool(done) and done[-1]["arm"] != "control"
        said = f"{done[-1]['arm']} of {done[-1]['experiment']} is shipped" if done else "nothing was shipped yet"
        return Felt(wrong, f"{said}; the arms are the same page", {"wrong": float(wrong)})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: what the script says."""
        said: Path = lab.part("decider").log
        deadline = time.monotonic() + 10
        while "wins" not in (text := said.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return text
