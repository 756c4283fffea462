"""Who is present in which channel. Pure: the clock is passed in."""

from __future__ import annotations

from plumbline.streaming.core.broker import Member

LEASES = 3
"""A member that was not named again for this many refreshes is gone: its node died."""


class Roster:
    """Members of channels, each with the time at which it was last named.

    Args:
        refresh_s: Time between two namings of a member, in seconds.
    """

    def __init__(self, refresh_s: float) -> None:
        self.refresh_s = refresh_s
        self._channels: dict[str, dict[str, tuple[Member, float]]] = {}

    def join(self, channel: str, member: Member, now: float) -> None:
        """Name a member, for the first time or again; `since` stays that of the first time."""
        members = self._channels.setdefault(channel, {})
        known = members.get(member.client)
        members[member.client] = (known[0] if known else member, now)

    def leave(self, channel: str, client: str) -> None:
        """Forget a member."""
        members = self._channels.get(channel)
        if members is not None:
            members.pop(client, None)
            if not members:
                del self._channels[channel]

    def members(self, channel: str, now: float) -> tuple[Member, ...]:
        """Return who is present, longest first."""
        known = self._channels.get(channel, {})
        gone = [client for client, (_, named) in known.items() if now - named > LEASES * self.refresh_s]
        for client in gone:
            self.leave(channel, client)
        return tuple(sorted((member for member, _ in known.values()), key=lambda member: member.since))
