"""The Kubernetes lane: a version as objects for KServe, for Argo Rollouts, or for Kubernetes alone."""

from plumbline.deployment.lanes.kubernetes.render import TARGETS, Target, as_yaml, render
from plumbline.deployment.lanes.kubernetes.workload import Limits, Workload

__all__ = ["TARGETS", "Limits", "Target", "Workload", "as_yaml", "render"]
