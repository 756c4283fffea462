"""A version with another contract is promoted by hand, and its callers learn of it from errors."""

import json
import sys
import time

from plumbline.deployment.registry.store import Registry
from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import COEFFICIENTS, MODEL, PATH, Version, asks
from plumbline.lab.parts import Models, Server

SERVE = "plumb model serve --model churn --ref production --registry {models.registry} --port {port} --admin {admin}"
RENAMED = {"support_tickets" if name == "tickets" else name: weight for name, weight in COEFFICIENTS.items()}
CALLER = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[2].encode())).read().decode())
except urllib.error.HTTPError as error:
    print(error, error.read().decode())
print("done")
"""


class RenamedFeature(Fault):
    """The training table calls a feature by another name, so the new version is a major one; nobody looked at that."""

    topology = Topology(
        victim="model",
        parts=(
            Models(versions=(Version(), Version(coefficients=RENAMED, alias=None))),
            Server("model", argv=(*SERVE.split(), "--cache", "{folder}/cache"), admin=True),
        ),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )
    hurts_when = HurtsWhen(request_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Point the alias at it, past every gate, and restart the server."""
        before, after = lab.part("models").numbers
        with Registry.open(lab.part("models").registry) as registry:
            registry.move(MODEL, "production", to=after, expect=before, by="lab", why="the retrained one")
        lab.part("model").restart()

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the answer that a caller gets."""
        lab.spawn("caller", sys.executable, "-c", CALLER, f"{lab.url.rstrip('/')}{PATH}", json.dumps(asks()[0].body))
        shown, deadline = lab.folder / "caller.log", time.monotonic() + 15
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
