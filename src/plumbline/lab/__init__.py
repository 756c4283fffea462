"""The lab: starts the real components, injects faults, and proves that the guides detect and cure them."""

from plumbline.lab.fault import Fault, Felt, Lab, Topology
from plumbline.lab.service import Service, Workload

__all__ = ["Fault", "Felt", "Lab", "Service", "Topology", "Workload"]
