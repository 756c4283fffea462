"""The settings of several workers together; a gateway of one process has no use for them."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.streaming.core.broker_settings import BrokerSettings
from plumbline.streaming.core.setting_kinds import setting


@dataclass(frozen=True, slots=True)
class WorkerSettings(BrokerSettings):
    """Rebalancing.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    balance_interval_s: float = setting(
        0.0,
        "s",
        1,
        86400,
        "Time between two rounds in which workers with more connections than the others ask their surplus to reconnect "
        "(give or take half of it, so that several machines do not do it at once). Only with `--workers`; off unless "
        "asked for, for `max_connection_age_s` evens out too.",
        off=True,
    )
    balance_tolerance: float = setting(
        0.1,
        "1",
        0.01,
        10,
        "How far above the mean of all workers one may be, as a fraction, before it asks anybody to leave.",
    )
