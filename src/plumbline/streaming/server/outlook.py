"""What a gateway tells of itself, running or not: to programs that hold it, and by its admin socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plumbline.streaming.core.address import Address
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import report
from plumbline.streaming.server.hub import Hub


class Outlook:
    """The reports of one gateway.

    Args:
        settings: Those that it starts with.
        address: Where it listens, or is to.
    """

    def __init__(self, settings: Settings, address: Address) -> None:
        self._first = settings
        self._running: Hub | None = None
        self.address = address

    def views(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Return what the admin socket answers, by verb."""
        return {
            "stats": self.stats,
            "settings": self._settings_now,
            "queues": self.queues,
            "closes": self.closes,
            "metrics": self._exposition,
            "broker": self.broker,
        }

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._running.settings if self._running is not None else self._first

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._running.connections) if self._running is not None else 0

    @property
    def url(self) -> str:
        """WebSocket address."""
        return f"{'wss' if self.settings.tls_cert else 'ws'}://{self.address}/"

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics."""
        return f"{'https' if self.settings.tls_cert else 'http'}://{self.address}/metrics"

    def stats(self) -> dict[str, Any]:
        """Return all counters and gauges.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.stats(self._hub)

    def queues(self) -> dict[str, Any]:
        """Return what waits to be sent, and to whom.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.queues(self._hub)

    def broker(self) -> dict[str, Any]:
        """Return what the broker counts.

        Raises:
            RuntimeError: The gateway does not run.
        """
        stats = getattr(self._hub.broker, "stats", None)
        return {"broker": "in this process"} if stats is None else dict(stats())

    def closes(self) -> dict[str, Any]:
        """Return the last closes.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.closes(self._hub)

    def _exposition(self) -> dict[str, Any]:
        """Return the Prometheus text: of one worker of several, which cannot be reached by its port alone."""
        return {"text": self._hub.exposition().decode()}

    def _settings_now(self) -> dict[str, Any]:
        return self.settings.as_dict()

    @property
    def _hub(self) -> Hub:
        if self._running is None:
            raise RuntimeError("the gateway does not run; use 'async with Gateway() as gateway'")
        return self._running
