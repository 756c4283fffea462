"""The settings that each channel may have its own of: as defaults for all, and as a rule's values for some."""

from __future__ import annotations

from dataclasses import dataclass, fields

from plumbline.streaming.core.commands import Mode
from plumbline.streaming.core.setting_kinds import Announce, Overflow, Publishers, checked, setting


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What holds for a channel.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    overflow: Overflow = setting(  # noqa: RUF009 - returns a dataclass field
        Overflow.DISCONNECT,
        "",
        None,
        None,
        "What a full queue does: `disconnect` closes the slow reader with 4008; `drop-oldest` forgets its oldest "
        "messages; `latest` keeps only each channel's newest message; `wait` stops reading from the publisher until "
        "its slowest reader has room, so one slow reader holds everybody.",
        per_channel=True,
    )
    mode: Mode = setting(  # noqa: RUF009 - returns a dataclass field
        Mode.ALL,
        "",
        None,
        None,
        "What a subscription gets that does not say: `all` messages, or only the `latest`: then a newer message takes "
        "the place of one that waits, and recovery gives the newest only.",
        per_channel=True,
    )
    history_messages: int = setting(
        256,
        "{message}",
        1,
        1_000_000,
        "Messages of a channel that are kept for those who come back. At most this many are replayed.",
        off=True,
        per_channel=True,
    )
    history_bytes: int = setting(
        256 << 10, "By", 256, 1 << 30, "Bytes of the data of a channel's messages that are kept.", per_channel=True
    )
    history_s: float = setting(
        300.0, "s", 0.05, 30 * 86400, "Time for which a channel's messages are kept.", per_channel=True
    )
    presence: Announce = setting(  # noqa: RUF009 - returns a dataclass field
        Announce.EVENTS,
        "",
        None,
        None,
        "What those who ask learn of a channel's readers that joined: nothing (`off`), who is there (`members`), or "
        "also who comes and goes (`events`).",
        per_channel=True,
    )
    publish: Publishers = setting(  # noqa: RUF009 - returns a dataclass field
        Publishers.ANYBODY,
        "",
        None,
        None,
        "Which clients may publish, if their permissions allow it: `anybody`, `users` (with a token that names one), "
        "or `nobody`: only programs that hold the gateway.",
        per_channel=True,
    )
    position_check_s: float = setting(
        30.0,
        "s",
        0.05,
        86400,
        "Time between two checks of a channel's readers against the head of its stream, so that a message that was "
        "lost in silence is noticed.",
        off=True,
        per_channel=True,
    )
    max_subscribers: int = setting(
        0,
        "{subscription}",
        1,
        10_000_000,
        "Connections of this gateway that may read one channel.",
        off=True,
        per_channel=True,
    )
    publishes_per_s: float = setting(
        0.0,
        "{message}/s",
        0.01,
        1_000_000,
        "Messages that clients may publish in one channel, all together; one more is answered `rate-limited`.",
        off=True,
        per_channel=True,
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            if "kind" in item.metadata:
                object.__setattr__(self, item.name, checked(item, getattr(self, item.name)))
