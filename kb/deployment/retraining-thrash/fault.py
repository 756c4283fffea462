"""Somebody wants quicker reactions: no cool-down, no least number of labels, and a rule that ends where it begins."""

import json
import sys
import time

from plumbline.lab import Fault, Felt, Lab, Topology, Workload
from plumbline.lab.parts import Declared, Server

CALM = f"""\
model: churn
start: [{sys.executable}, -m, plumbline.lab.servers.training, ., "{{why}}"]
rules:
  - {{name: tenure has changed, kind: drift, measure: psi.tenure, above: 0.2, until: 0.1}}
cool_down: 1d
new_labels: 500
budget: {{runs: 4, within: 7d}}
state: retraining.db
observe: {{file: served.json}}
"""
EAGER = (
    CALM.replace("until: 0.1}", "until: 0.199}")
    .replace("cool_down: 1d", "cool_down: 0s")
    .replace("new_labels: 500", "new_labels: 0")
    .replace("runs: 4, within: 7d", "runs: 1000, within: 1d")
)
WINDOW_S = 4.0


class NoCoolDown(Fault):
    """The drift is 0.25 at one look and 0.15 at the next, as between weekdays and weekends, and labels come slowly."""

    topology = Topology(
        victim="scheduler",
        parts=(
            Declared("retraining", CALM, field="retraining"),
            Server("scheduler", "scheduler", config={"retraining": "{retraining.file}"}),
        ),
        workload=Workload(requests_hz=10.0, request_path="/"),
    )

    def inject(self, lab: Lab) -> None:
        """Change the declaration, in place, as a release of it does."""
        lab.part("retraining").file.write_text(EAGER)

    def felt(self, lab: Lab) -> Felt:
        """It hurts when trainings run that nobody needs: those that the training itself wrote down."""
        runs, least = lab.folder / "trainings.jsonl", time.time() - WINDOW_S
        began = [json.loads(line)["at"] for line in runs.read_text().splitlines()] if runs.exists() else []
        count = sum(at >= least for at in began)
        return Felt(count >= 2, f"{count} trainings began in the last {WINDOW_S:g} s", {"trainings": count})
