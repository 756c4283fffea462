"""A build machine was shut down in the middle of a deployment; its lease runs on, and nobody else can deploy."""

import json
import time

from plumbline.deployment.registry.store import MAX_TTL_S, Registry
from plumbline.lab import Fault, Felt, Lab, Topology, Workload
from plumbline.lab.churn import MODEL
from plumbline.lab.parts import Models, Server

GONE = "churn-41@build-7"
AGO_S = 2400.0
LAST = 4
"""Releases of the build server that are looked at."""


class LeftBehind(Fault):
    """A script of its own took the longest lease there is, forty minutes ago, and never came to its end."""

    topology = Topology(
        victim="releaser",
        parts=(Models(), Server("releaser", "releaser", config={"registry": "{models.registry}", "model": MODEL})),
        workload=Workload(requests_hz=5.0, request_path="/"),
    )

    def inject(self, lab: Lab) -> None:
        """Take the lease as the script did."""
        with Registry.open(lab.part("models").registry, clock=lambda: time.time() - AGO_S) as registry:
            registry.lease(MODEL, GONE, MAX_TTL_S, take_over=True)

    def felt(self, lab: Lab) -> Felt:
        """It hurts when every one of the last releases is refused: by what the build server wrote down."""
        book = lab.folder / "releases.jsonl"
        lines = book.read_text().splitlines()[-LAST:] if book.exists() else []
        refused = sum(not json.loads(line)["ok"] for line in lines)
        return Felt(refused == LAST, f"{refused} of the last {len(lines)} releases were refused", {"refused": refused})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the build server's log."""
        deadline = time.monotonic() + 15
        while "lease" not in (text := str(lab.part("releaser").log.read_text())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return text
