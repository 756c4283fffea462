"""When this region has nothing to offer for too long, its clients are sent to another one, and nobody is let in here.

A gateway whose broker is out of reach still holds its clients' sockets: they would wait for ever, while another region
has their channels. So they are closed with a code that says to try another address first, spread over `drain_s`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from plumbline.streaming.core.broker import Broker
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log


class Owner(Protocol):
    """What is needed of the gateway."""

    settings: Settings
    broker: Broker


class Elsewhere:
    """Decides when clients have to go to another region.

    Args:
        owner: The gateway.
        send: Sends all clients away; returns how many.
        keep: Keeps those who have not gone yet.
    """

    def __init__(self, owner: Owner, send: Callable[[], int], keep: Callable[[], None]) -> None:
        self._owner = owner
        self._send = send
        self._keep = keep
        self.active = False

    def check(self) -> None:
        """Look how long the broker has been gone, as far as it has a word for that (`gone_s`)."""
        gone_s = getattr(self._owner.broker, "gone_s", lambda: None)()
        patience_s = self._owner.settings.region_patience_s
        active = bool(patience_s) and gone_s is not None and gone_s >= patience_s
        if active == self.active:
            return
        self.active = active
        if active:
            log.event(logging.ERROR, "region gone", gone_s=gone_s, sent_away=self._send())
        else:
            self._keep()
            log.event(logging.INFO, "region back")
