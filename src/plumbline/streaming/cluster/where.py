"""Where a gateway's cluster is, and whether it keeps what the gateway promises."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from plumbline.streaming.cluster.access import Access
from plumbline.streaming.cluster.streams import ALONE, MARKS, Copy, Limits
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where the cluster is, and how much it keeps.

    Args:
        servers: Addresses of NATS servers, `nats://host:port`.
        access: Who the gateway is for NATS, and whom it trusts.
        region: This gateway's region: the JetStream domain of the servers; `main` in a cluster that has only one.
        peers: The other regions.
        limits: What the stream keeps if it is this gateway that makes it.
    """

    servers: tuple[str, ...]
    access: Access = field(default_factory=Access)
    region: str = ALONE
    peers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


def wanted(settings: Settings) -> int:
    """Return how many messages the channel with the longest history has, by the gateway's settings and rules."""
    ruled = (value for _, values in settings.channels.entries for name, value in values if name == "history_messages")
    return max(settings.history_messages, 0, *map(int, ruled))


def fitting(limits: Limits, settings: Settings) -> Limits:
    """Return limits that keep at least what the channels' rules let clients read."""
    return replace(limits, messages=max(limits.messages, wanted(settings)))


def compare_history(copy: Copy, settings: Settings) -> None:
    """Say it when the stream, made earlier or elsewhere, keeps less than the rules of channels promise."""
    kept, asked = copy.config["max_msgs_per_subject"] - MARKS, wanted(settings)
    if kept < asked:
        log.event(logging.WARNING, "broker keeps less history than asked", kept=kept, history_messages=asked)
