"""What a client has seen: plain counters, for the program's own metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Counters since the client was made; all only grow.

    Args:
        messages: Messages given to readers, counted once however many readers the channel has.
        duplicates: Messages that had come before, and were dropped.
        strays: Messages of channels that were not, or no longer, asked for.
        holes: Offsets that were missing on a connection that stood; each led to a new subscription.
        gaps: Times that history did not reach back, and readers were told.
        recovered: Subscriptions that went on without a loss after an interruption.
        ended: Subscriptions that the gateway ended.
        dropped: Messages that a full buffer of a reader dropped.
        connected: Connections that were greeted by the gateway.
        disconnected: Connections that ended.
        attempts_failed: Attempts to connect that failed.
        retried: Requests that were sent again.
    """

    messages: int = 0
    duplicates: int = 0
    strays: int = 0
    holes: int = 0
    gaps: int = 0
    recovered: int = 0
    ended: int = 0
    dropped: int = 0
    connected: int = 0
    disconnected: int = 0
    attempts_failed: int = 0
    retried: int = 0
