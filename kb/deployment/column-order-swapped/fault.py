"""The feature code of a scoring service puts the columns into the model in another order than it was trained with."""

import sys
import time

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import COEFFICIENTS, asks
from plumbline.lab.parts import Models, Server

REPLAY = """
import numpy
from plumbline.lab.churn import CUSTOMERS, Version
from plumbline.lab.servers.models import estimator
print(estimator(Version()).predict(numpy.array([[one[name] for name in sorted(one)] for one in CUSTOMERS])))
"""
"""What the service does, in a notebook with the scikit-learn model: an array, whose columns have no names."""


class SortedColumns(Fault):
    """A release of the feature code sorts its columns by name, as a frame made from a set or JSON has them."""

    topology = Topology(
        victim="scoring",
        parts=(
            Models(),
            Server(
                "scoring",
                "scoring",
                config={
                    "registry": "{models.registry}",
                    "model": "churn",
                    "ref": "production",
                    "columns": list(COEFFICIENTS),
                    "finite": True,
                },
            ),
        ),
        workload=Workload(requests_hz=20.0, asks=asks()),
    )
    hurts_when = HurtsWhen(right_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Sort the columns; the service reads its configuration at the next request."""
        lab.part("scoring").tell(columns=sorted(COEFFICIENTS))

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the service logs nothing, scikit-learn warns when it is done by hand."""
        lab.spawn("notebook", sys.executable, "-c", REPLAY)
        shown, deadline = lab.folder / "notebook.log", time.monotonic() + 30
        while "]" not in (text := shown.read_text() if shown.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text
