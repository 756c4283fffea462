"""The lab: starts the real components, injects faults, and proves that the guides detect and cure them.

Importing it is cheap: its keeper and its clients, which start with every lab, do so too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from plumbline.evidence import Endpoint
from plumbline.lab.errors import LabError, MissingError
from plumbline.lab.fault import Fault, Lab, Topology
from plumbline.lab.feeling import Felt, HurtsWhen
from plumbline.lab.population import Census, Population
from plumbline.lab.service import Asked, Service, Workload

__all__ = [
    "Asked",
    "Census",
    "Fault",
    "Felt",
    "HurtsWhen",
    "Lab",
    "LabError",
    "MissingError",
    "Population",
    "Service",
    "Topology",
    "Workload",
    "serve_lab",
]


@contextlib.contextmanager
def serve_lab(topology: Topology | None = None) -> Iterator[Endpoint]:
    """Run the healthy default lab beside `plumb up`, as the target `lab`, until the block ends.

    Args:
        topology: Another platform than the default one.

    Raises:
        LabError: It does not start; the sentence says why.
    """
    from plumbline.lab.running import running

    with running(topology or Topology(), purpose="serve") as lab:
        yield lab.endpoint
