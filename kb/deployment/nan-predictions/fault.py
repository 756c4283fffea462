"""The release of a scoring service forgets to fill a feature that new customers do not have."""

import json
import sys
import time

from plumbline.lab import Asked, Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import CUSTOMERS, PATH, Version, asks, body
from plumbline.lab.parts import Models, Server

FILLED = {"tickets": 0.0}
"""Who never wrote to the help desk has no count there; training took it for none."""
STRICT = """
import sys, urllib.request, msgspec
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"})
print(msgspec.json.decode(urllib.request.urlopen(request).read()))
"""
"""A consumer whose JSON parser goes by the standard, as those of browsers, Go, Java and Rust do."""


def without_tickets() -> tuple[Asked, ...]:
    """Return the questions of customers whose number of tickets is not known."""
    author = Version()
    told = [({**one, "tickets": None}, author.probability({**one, **FILLED})) for one in CUSTOMERS[:2]]
    return tuple(Asked(path=PATH, body=body([sent]), expect={"probabilities": (1 - p, p)}) for sent, p in told)


class NotFilled(Fault):
    """The default is gone, and with it the check of the answer: missing values become NaN with status 200."""

    topology = Topology(
        victim="scoring",
        parts=(
            Models(asks=asks() + without_tickets()),
            Server(
                "scoring",
                "scoring",
                config={
                    "registry": "{models.registry}",
                    "model": "churn",
                    "ref": "production",
                    "defaults": FILLED,
                    "finite": True,
                    "instead": None,
                },
            ),
        ),
        workload=Workload(requests_hz=20.0, asks=asks() + without_tickets()),
    )
    hurts_when = HurtsWhen(right_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Release the feature code that fills nothing, without the check that would have shown it."""
        lab.part("scoring").tell(defaults={}, finite=False)

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the service logs nothing, a strict consumer cannot read its answer."""
        asked = json.dumps(without_tickets()[0].body)
        lab.spawn("consumer", sys.executable, "-c", STRICT, f"{lab.url.rstrip('/')}{PATH}", asked)
        shown, deadline = lab.folder / "consumer.log", time.monotonic() + 15
        while (
            "DecodeError" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        return text
