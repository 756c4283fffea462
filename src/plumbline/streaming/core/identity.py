"""Who is at the other end of a connection, until when, and what it may do. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace

from plumbline.streaming.core.permissions import EVERYTHING, NOTHING, Permissions


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a connection serves.

    Args:
        client: Id of the connection, unique in the cluster.
        user: Whose it is, as its token says (`sub`); None without one.
        expires_at: When that ends, in seconds since 1970; None for never.
        permissions: Which channels it may use, and how.
    """

    client: str
    user: str | None = None
    expires_at: float | None = None
    permissions: Permissions = EVERYTHING

    def named(self, client: str) -> Identity:
        """Return the same for this connection."""
        return replace(self, client=client)


ANYBODY = Identity("")  # no tokens asked for: everything is allowed, for ever
NOBODY = Identity("", permissions=NOTHING)  # has not shown its token yet
