"""A bad release on the day after a clean-up: the registry knows the version before it, and has not its files."""

import shutil
import time

from plumbline.deployment.registry.store import Registry
from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import INTERCEPT, MODEL, Version, asks
from plumbline.lab.parts import Models, Server

SERVE = "plumb model serve --model churn --ref production --registry {models.registry} --port {port} --admin {admin}"
VERSIONS = (Version(), Version(intercept=INTERCEPT + 1e-5), Version(intercept=INTERCEPT + 3, alias="candidate"))
"""The first, a retrained one that says the same, and one that takes nearly everybody for a leaver."""


class CleanedUp(Fault):
    """A script keeps what production points at, by the age of files; then a release is promoted that is wrong."""

    topology = Topology(
        victim="model",
        parts=(
            Models(versions=VERSIONS),
            Server("model", argv=(*SERVE.split(), "--cache", "{folder}/cache"), admin=True),
        ),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )
    hurts_when = HurtsWhen(right_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Promote the bad one, and delete the files of the good one; the training job still has its own copy."""
        with Registry.open(lab.part("models").registry) as registry:
            good, bad = registry.get(MODEL, "production"), registry.get(MODEL, "candidate")
            registry.materialise(MODEL, good.version, lab.folder / "training-output")
            registry.move(MODEL, "production", to=bad.version, expect=good.version, by="lab", why="the new release")
            kept = {one.digest for one in bad.manifest.files}
            for file in good.manifest.files:
                if file.digest not in kept:
                    registry.blobs.path(file.digest).unlink()
        shutil.rmtree(lab.folder / "cache")  # a fresh machine
        lab.part("model").restart()

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: what the rollback says."""
        attempt = 'plumb rollback churn --why "wrong" --registry "$MODELS_REGISTRY" --admin "$MODEL_ADMIN"'
        lab.spawn("attempt", "sh", "-c", f"{attempt} 2>&1; echo done")
        return said(lab)


def said(lab: Lab) -> str:
    """Return what the attempt printed, once it has ended."""
    log = lab.folder / "attempt.log"
    deadline = time.monotonic() + 20
    while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
        time.sleep(0.05)
    return text.removesuffix("done\n")
