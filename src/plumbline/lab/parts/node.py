"""A further gateway: another node of the same cluster, or another region's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plumbline.lab.parts.gateway import GatewayPart
from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Node(Part):
    """One more gateway, supervised as the main one is.

    Args:
        name: Its name.
        broker: Name of the NATS part it is connected to; None for none.
        settings: Settings at start.
        workers: Number of workers under a supervisor; None for one process.
    """

    name: str
    broker: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None

    def build(self, host: Builder) -> NodePart:
        """Return it."""
        return NodePart(host, self)


class NodePart(GatewayPart, Built):
    """A further gateway in a lab."""

    def __init__(self, host: Builder, node: Node) -> None:
        options = host.broker_options(node.broker)
        settings = host.settings | dict(node.settings)
        GatewayPart.__init__(self, host, settings, name=node.name, workers=node.workers, options=options)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing for others."""
        return {}

    def start(self, *, unit: str = "[Service]\n", restart_s: float | None = 0.1) -> None:
        """Start it, and wait until it accepts connections."""
        super().start(unit=unit, restart_s=restart_s)
