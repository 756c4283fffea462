"""A rollout whose canary gets one request of ten thousand, and whose rule asks for minutes, not for requests."""

import json
import time
from pathlib import Path
from typing import Any

from plumbline.lab import Fault, Felt, Lab, Topology, Workload
from plumbline.lab.churn import INTERCEPT, Version, asks
from plumbline.lab.parts import Models, Server

NEEDED = 313
"""Requests by which the sequential test sees a candidate that fails in 5 % instead of 1 %, in half of all cases."""
SERVE = "plumb model serve --model churn --ref production --registry {models.registry} --port {port} --admin {admin}"
VERSIONS = (Version(), Version(intercept=INTERCEPT + 1e-5, alias="candidate"))


class OneOfTenThousand(Fault):
    """Nobody asks the candidate anything, so it makes no errors, so it is healthy."""

    topology = Topology(
        victim="model",
        parts=(
            Models(versions=VERSIONS),
            Server("model", argv=(*SERVE.split(), "--cache", "{folder}/cache"), admin=True),
            Server(
                "rollout",
                "rollout",
                config={
                    "admin": "{model.admin}",
                    "registry": "{models.registry}",
                    "candidate": "",
                    "share": 0.0001,
                    "tolerated": 0.05,
                    "at_least": 0,
                    "bake_s": 3600,
                },
            ),
        ),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )

    def inject(self, lab: Lab) -> None:
        """Begin the rollout of the candidate."""
        lab.part("rollout").tell(candidate="candidate")

    def felt(self, lab: Lab) -> Felt:
        """It hurts when the candidate is called healthy on fewer requests than show a bad one."""
        file = lab.folder / "verdict.json"
        verdict: dict[str, Any] = {"said": "nothing", "requests": 0}
        if file.exists():
            verdict = json.loads(file.read_text())
        blind = verdict["said"] == "healthy" and verdict["requests"] < NEEDED
        words = f"the rollout says {verdict['said']} after {verdict['requests']} requests of {NEEDED}"
        return Felt(blind, words, {"requests": verdict["requests"]})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: what the rollout says."""
        said: Path = lab.part("rollout").log
        deadline = time.monotonic() + 10
        while "healthy" not in (text := said.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return text
