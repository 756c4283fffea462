"""The feature code of a scoring service takes a price from another place than training did, and gets cents."""

import json
import random
import sys
import time

from plumbline.lab import Asked, Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import CUSTOMERS, PATH, Version, body
from plumbline.lab.parts import Declared, Models, Server

OFFLINE = """
import json, sys, numpy
read = lambda path: [json.loads(line) for line in open(path) if line.endswith("}\\n")]
served = [row for row in read(sys.argv[1]) if row["key"]][-8:]
trained = {row.get("key"): row for row in read(sys.argv[2])}
try:
    numpy.testing.assert_allclose(*([row["monthly_eur"] for row in rows]
        for rows in (served, [trained[row["key"]] for row in served])), err_msg="monthly_eur")
except AssertionError as error:
    print(error)
print("done")
"""
"""What is done by hand: the same customers by both code paths, in a notebook."""


def training() -> str:
    """Return training's table, and what its code computes for the customers who ask today."""
    sample = random.Random(7).choices(CUSTOMERS, k=200)
    today = [{"key": f"customer-{at}", **one} for at, one in enumerate(CUSTOMERS)]
    return "".join(f"{json.dumps(one)}\n" for one in [*sample, *today])


def keyed() -> tuple[Asked, ...]:
    """Return the questions of the lab's clients, each with the customer whom it is about."""
    author = Version()
    return tuple(
        Asked(path=PATH, body={"id": f"customer-{at}", **body([one])}, expect={"probabilities": (1 - p, p)})
        for at, one in enumerate(CUSTOMERS)
        for p in (author.probability(one),)
    )


class Cents(Fault):
    """A release reads the price from the new billing service; its field has the same name, and holds cents."""

    topology = Topology(
        victim="scoring",
        parts=(
            Models(),
            Declared("training", training(), field="trained", suffix=".jsonl"),
            Declared("features", "", field="served", suffix=".jsonl"),
            Server(
                "scoring",
                "scoring",
                config={
                    "registry": "{models.registry}",
                    "model": "churn",
                    "ref": "production",
                    "finite": True,
                    "factors": {},
                    "clip": {},
                    "log": "{features.file}",
                },
            ),
        ),
        workload=Workload(requests_hz=20.0, asks=keyed()),
    )
    hurts_when = HurtsWhen(right_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Release it; the service reads its configuration at the next request."""
        lab.part("scoring").tell(factors={"monthly_eur": 100.0})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: nothing is logged, and both code paths are compared by hand."""
        files = [str(lab.part(name).file) for name in ("features", "training")]
        lab.spawn("notebook", sys.executable, "-c", OFFLINE, *files)
        shown, deadline = lab.folder / "notebook.log", time.monotonic() + 30
        while "done" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
