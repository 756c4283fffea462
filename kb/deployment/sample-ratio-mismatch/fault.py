"""A page of one arm needs what one kind of client does not send: it fails before the exposure is logged."""

import time
from pathlib import Path

from plumbline.lab import Asked, Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Declared, Server

EXPERIMENT = """\
experiment: offer
log: offer.log
arms:
  - {name: control, share: 0.5}
  - {name: treatment, share: 0.5}
metrics:
  - {name: bought, kind: share, within: 7d, mean: 0.05, detect: 0.01}
units: 20000
sync: 1s
"""
OFFER = "Buy now for $price"


def visit(platform: str) -> Asked:
    """Return a first visit: without a cookie, so it is a new visitor's. The website's clients send their language."""
    language = "" if platform == "ios" else "&locale=de"
    return Asked(path=f"/offer?platform={platform}{language}", body={})


class PageFails(Fault):
    """The treatment's new page shows a price in the visitor's language, which the iOS app does not send."""

    topology = Topology(
        victim="shop",
        parts=(
            Declared("offer", EXPERIMENT, field="experiment"),
            Server(
                "shop", "shop", config={"experiment": "{offer.file}", "pages": {"control": OFFER, "treatment": OFFER}}
            ),
        ),
        workload=Workload(requests_hz=120.0, asks=(visit("ios"), visit("web"), visit("ios"))),
    )
    hurts_when = HurtsWhen(request_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Release the treatment's page."""
        lab.part("shop").tell(pages={"control": OFFER, "treatment": f"{OFFER} ($locale)"})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: what the analysis says of the experiment."""
        lab.spawn("status", "sh", "-c", 'plumb ab status "$OFFER_FILE"; echo done')
        shown: Path = lab.folder / "status.log"
        deadline = time.monotonic() + 30
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
