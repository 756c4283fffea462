"""How a gateway's region stands: its copy of the channels, whether it may be used, and for how long it could not be."""

from __future__ import annotations

from plumbline.streaming.cluster.absence import Absence
from plumbline.streaming.cluster.fence import fence
from plumbline.streaming.cluster.hearing import Hearing
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import Copy, look
from plumbline.streaming.cluster.where import ClusterOptions
from plumbline.streaming.core.broker import BrokerError

LOST, FENCED = "lost", "fenced"


class Standing:
    """What is known of this region's copy.

    Args:
        link: The connection.
        options: Where the cluster is.
    """

    def __init__(self, link: Link, options: ClusterOptions) -> None:
        self._link = link
        self._options = options
        self._hearing = Hearing()
        self._absence = Absence()
        self.copy: Copy | None = None
        self.fenced: str | None = None  # why the copy must not be used, if so

    async def take(self, copy: Copy, now: float) -> bool:
        """Take over a copy that was just looked at, and compare it with the other regions'.

        Returns:
            Whether positions and subscriptions that were made before are still true.

        Raises:
            BrokerError: The server does not answer.
        """
        fenced = await fence(self._link, copy, self._options.peers)
        same = self.copy is not None and copy.identity == self.copy.identity and fenced == self.fenced
        self.copy, self.fenced = copy, fenced
        self._hearing.note(copy, now)
        self._absence.note(FENCED, now, holds=fenced is not None)
        return same

    async def look(self, now: float) -> tuple[Copy, bool]:
        """Look anew; return the copy, and what `take` says of it.

        Raises:
            BrokerError: The server does not answer, or has no copy.
        """
        copy = await look(self._link, self._options.region)
        return copy, await self.take(copy, now)

    def lost(self, now: float) -> None:
        """Note that the servers are out of reach."""
        self._absence.note(LOST, now, holds=True)

    def found(self, now: float) -> None:
        """Note that they are in reach, and have the copy."""
        self._absence.note(LOST, now, holds=False)

    def gone_s(self, now: float) -> float | None:
        """Return for how long nothing can be had here that another region may have; None: it is here."""
        return self._absence.seconds(now) if self._options.peers else None

    def silent_s(self, now: float) -> float | None:
        """Return for how long the mirror has heard nothing of home; None: it is home's own copy, or not known."""
        return self._hearing.silent_s(now)

    def where(self) -> Copy:
        """Return this region's copy as it is known.

        Raises:
            BrokerError: It must not be used.
        """
        if self.copy is None or self.fenced is not None:
            raise BrokerError("unavailable", self.fenced or "this region's copy is not known yet; try again in 1 s")
        return self.copy
