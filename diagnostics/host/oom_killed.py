#!/usr/bin/env -S plumb run
"""Is the kernel killing this service because memory runs out?"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.memory import MemoryLimit, OomKills

AT_LIMIT = Threshold(
    0.98, "1", "measured: at a kill the peak equals the limit; 2 % for batched charges", name="peak at the limit"
)
NEAR_LIMIT = Threshold(0.90, "1", "Netdata, cgroup_ram_in_use: warns at 90 % of the limit", name="near the limit")
HOST_LOW = Threshold(
    0.10, "1", "Netdata, ram_available: warns below 10 %", name="too little left on the host", low=True
)
RECENT = Threshold(1800, "s", "Netdata, oom_kill: looks back 30 minutes", name="a kill is recent for")
FELT = "It dies without a word of its own: all clients are dropped at once, and what it held in memory is lost"
GROUP = ("See who died, when: journalctl -k -g 'oom-kill:|Killed process'", "Raise the limit, or bound what grows")
HOST = ("See who holds the memory: ps aux --sort=-rss | head", "Give each service a limit, or move one elsewhere")


@diagnostic
def oom_killed(memory: MemoryLimit, kills: OomKills | None) -> Finding:
    """Tell a limit that is too small from one that was, from a full host, and from the deaths of other programs."""
    recent = [kill for kill in kills.recent if kill.ago_s <= RECENT.value] if kills else []
    free = Measure("host_available", memory.host_share, "1", HOST_LOW)
    unlogged = kills.kills_watched if kills and free.value < HOST_LOW.value else 0
    on_host = Measure("host_kills", sum(kill.host_wide for kill in recent) + unlogged, "{kill}")
    if memory.limit_bytes is None:
        return judge_host(f"No limit but the host's: {free} of its memory is available", free, on_host)
    limit, share = (
        Measure("limit", memory.limit_bytes, "By"),
        Measure("working_set_share", memory.share, "1", NEAR_LIMIT),
    )
    peak = Measure("peak", memory.limit_bytes if memory.peak_bytes is None else memory.peak_bytes, "By")
    enough = AT_LIMIT.value * limit.value
    logged = sum((kill.limit_bytes or 0) >= enough for kill in recent if kill.group == memory.group)
    counted = memory.kills if memory.limit_hits and peak.value >= enough else 0
    dead, age = Measure("kills", max(logged, counted), "{kill}"), Measure("process_age", memory.process_age_s or 0, "s")
    measures = (dead, limit, peak, share, free, on_host)
    if logged or (counted and age.value < RECENT.value):
        sentence = f"{dead} at the limit of {limit}, which is still in force"
        return critical(sentence, *measures, cause="limit-reached", impact=FELT, next=GROUP)
    if counted:
        sentence = f"{dead} at the limit of {limit}, which is still in force; this process has lived for {age}"
        return warning(sentence, *measures, cause="limit-reached", impact=FELT, next=GROUP)
    if share.value >= NEAR_LIMIT.value:
        sentence = f"{share} of the limit of {limit} is in use; the kernel kills at 100 %"
        return warning(sentence, *measures, cause="near-limit", impact=FELT, next=GROUP)
    before = f"; {memory.kills} killed before, but usage never came near the present limit (peak {peak})"
    return judge_host(f"{share} of {limit} is in use{before if memory.kills else ''}", free, on_host, *measures[:4])


def judge_host(sentence: str, free: Measure, kills: Measure, *others: Measure) -> Finding:
    """Judge the machine. Kills in other control groups are not its trouble, and are not counted here."""
    if kills.value or free.value < HOST_LOW.value:
        sentence = f"The host itself runs out of memory: {free} is available, {kills} in the last {RECENT}"
        return warning(sentence, free, kills, *others, cause="host-exhausted", impact=FELT, next=HOST)
    return ok(sentence, free, kills, *others)
