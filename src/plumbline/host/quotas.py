"""Quotas of processor time: what the cpu controller of a control group allows, and how often it cut it off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.host.hierarchies import Place, number, table


@dataclass(frozen=True, slots=True)
class Quota:
    """One control group with a quota; times in seconds, counts since the group was made.

    Args:
        place: The group.
        quota_s: Processor time that its threads may use together in one period.
        period_s: How often it is dealt out.
        periods: Periods in which the group wanted to run.
        throttled: Those of them in which the quota was used up, and threads had to wait for the next.
        throttled_s: How long they waited, added up over processors.
        used_s: Processor time that the group used; None where the kernel does not say.
    """

    place: Place
    quota_s: float
    period_s: float
    periods: int
    throttled: int
    throttled_s: float
    used_s: float | None

    @property
    def cores(self) -> float:
        """Processor seconds per second that it allows."""
        return self.quota_s / self.period_s


def quotas(place: Place) -> list[Quota]:
    """Return the quotas that hold for a group, its own first; empty without one."""
    found = (_version_1(one) if one.version == 1 else _version_2(one) for one in place.chain())
    return [quota for quota in found if quota is not None]


def binding(before: Sequence[Quota], after: Sequence[Quota]) -> tuple[Quota, Quota] | None:
    """Return the quota that binds, at both moments: the most often throttled in between, else the smallest."""
    known = {quota.place.folder: quota for quota in before}
    pairs = [(known[quota.place.folder], quota) for quota in after if quota.place.folder in known]
    return max(pairs, key=lambda pair: (pair[1].throttled - pair[0].throttled, -pair[1].cores), default=None)


def _version_2(place: Place) -> Quota | None:
    try:
        quota, period = (place.folder / "cpu.max").read_text().split()
    except (OSError, ValueError):  # the root group has none
        return None
    if quota == "max":
        return None
    stat = table(place.folder / "cpu.stat")
    used = stat.get("usage_usec")
    return Quota(
        place=place,
        quota_s=int(quota) / 1e6,
        period_s=int(period) / 1e6,
        periods=stat.get("nr_periods", 0),
        throttled=stat.get("nr_throttled", 0),
        throttled_s=stat.get("throttled_usec", 0) / 1e6,
        used_s=None if used is None else used / 1e6,
    )


def _version_1(place: Place) -> Quota | None:
    quota, period = number(place.folder / "cpu.cfs_quota_us"), number(place.folder / "cpu.cfs_period_us")
    if quota is None or not period:  # -1 is no number here: no quota
        return None
    stat = table(place.folder / "cpu.stat")
    used = number(place.folder / "cpuacct.usage")  # in the same folder where both controllers are mounted together
    return Quota(
        place=place,
        quota_s=quota / 1e6,
        period_s=period / 1e6,
        periods=stat.get("nr_periods", 0),
        throttled=stat.get("nr_throttled", 0),
        throttled_s=stat.get("throttled_time", 0) / 1e9,
        used_s=None if used is None else used / 1e9,
    )
