"""A client for Python programs: many subscriptions over few sockets, and nothing lost or doubled on the way."""

from __future__ import annotations

from plumbline.streaming.client.backoff import BackoffPolicy
from plumbline.streaming.client.buffer import Policy
from plumbline.streaming.client.client import Client, Presence, Socket
from plumbline.streaming.client.counts import Counts
from plumbline.streaming.client.errors import ClientError, FullError, GoneError, NoAnswerError, RefusedError
from plumbline.streaming.client.events import Event, Gap, Joined, Left, Message, Past, Snapshot
from plumbline.streaming.client.options import Options
from plumbline.streaming.client.subscription import Subscription
from plumbline.streaming.core.broker import Member, Position
from plumbline.streaming.core.commands import Mode

__all__ = [
    "BackoffPolicy",
    "Client",
    "ClientError",
    "Counts",
    "Event",
    "FullError",
    "Gap",
    "GoneError",
    "Joined",
    "Left",
    "Member",
    "Message",
    "Mode",
    "NoAnswerError",
    "Options",
    "Past",
    "Policy",
    "Position",
    "Presence",
    "RefusedError",
    "Snapshot",
    "Socket",
    "Subscription",
]
