"""The settings about what passes between clients, hub and broker; those of channels are their base."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.streaming.core.channel_settings import ChannelSettings
from plumbline.streaming.core.setting_kinds import setting


@dataclass(frozen=True, slots=True)
class BrokerSettings(ChannelSettings):
    """Requests, history, recovery, presence.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    max_batch: int = setting(
        64, "{request}", 1, 10_000, "Requests that one message of a client may hold, as a JSON array."
    )
    max_pending: int = setting(
        256,
        "{request}",
        1,
        100_000,
        "Requests of one client that may wait for the broker's answer; beyond it the client is not read from.",
    )
    history_page: int = setting(1000, "{message}", 1, 100_000, "Messages that one `history` answer holds at most.")
    history_total_bytes: int = setting(
        128 << 20,
        "By",
        1 << 16,
        1 << 40,
        "Memory that all channels' kept messages take together in the in-process broker, with the objects that hold "
        "them: 192 bytes more than its data for each message, 2,000 for each channel that keeps any. Beyond it the "
        "channel that was published to longest ago loses its oldest.",
    )
    idempotency_s: float = setting(
        120.0, "s", 1, 86400, "Time for which the in-process broker knows a publication's `key` again."
    )
    idempotency_keys: int = setting(
        100_000, "{key}", 1, 10_000_000, "Keys that it remembers at most; beyond it the oldest is forgotten."
    )
    recovery_buffer_messages: int = setting(
        1024,
        "{message}",
        1,
        1_000_000,
        "Messages that may arrive in a channel while its broker is asked for earlier ones; beyond it the broker is "
        "asked again.",
    )
    presence_members: int = setting(
        1000, "{client}", 1, 100_000, "Members that an answer names; with more, nobody is told who comes and goes."
    )
    presence_refresh_s: float = setting(
        10.0, "s", 0.05, 3600, "Time after which the broker is told again who is present, and asked who no longer is."
    )
    region_patience_s: float = setting(
        5.0,
        "s",
        0.1,
        86400,
        "Time that a gateway with `--peer` may be without its cluster, or overtaken by another region, before it sends "
        "its clients away with 4014, over `drain_s`, and answers new ones 503. What only blinks is shorter than that.",
        off=True,
    )
