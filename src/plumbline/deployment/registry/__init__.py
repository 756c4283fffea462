"""The model registry: files by digest, versions by behaviour, aliases by compare-and-set."""

from __future__ import annotations

from plumbline.deployment.registry.aliases import Moved
from plumbline.deployment.registry.judging import ClaimError, Looking
from plumbline.deployment.registry.leases import Lease
from plumbline.deployment.registry.names import described
from plumbline.deployment.registry.records import Registered, Stored
from plumbline.deployment.registry.store import Registry

__all__ = ["ClaimError", "Lease", "Looking", "Moved", "Registered", "Registry", "Stored", "described"]
