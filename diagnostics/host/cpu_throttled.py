#!/usr/bin/env -S plumb run
"""Is this service held back by a quota of processor time?

A quota (CPUQuota=, limits.cpu, --cpus) is dealt out each period, 100 ms by default. When it is used up, all threads
of the control group stand still until the next period, on an idle machine too.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.processor import ProcessorTime

OFTEN = Threshold(
    0.25, "1", "kubernetes-mixin, CPUThrottlingHigh: more than 25 % of periods", name="periods cut off by the quota"
)
MOSTLY = Threshold(0.5, "1", "judgement: every second request meets a pause", name="periods cut off, page")
SPENT = Threshold(0.8, "1", "judgement: on average a fifth of the quota is left over", name="average use of the quota")
ONE_CORE = Threshold(0.9, "1", "one thread can use one core at most; 10 % for interrupts", name="busiest thread")
HOST_FULL = Threshold(0.85, "1", "Netdata, 10min_cpu_usage: warns at 85 %", name="busy host")
STOLEN = Threshold(0.1, "1", "Netdata, 20min_steal_cpu: warns at 10 %", name="stolen by the hypervisor")
FELT = "Requests wait for the next period, some for many of them; health checks and heartbeats come late, too"
NEXT = {
    "quota-too-small": ("Raise the quota above what the service uses at its peak, or remove it", "Then look for waste"),
    "too-many-threads": ("Start no more threads than the quota has cores (GOMAXPROCS, OMP_NUM_THREADS, workers)",),
}


@diagnostic
def cpu_throttled(cpu: ProcessorTime) -> Finding:
    """Hold the periods that were cut off against all, and name what else it could be if there are few."""
    share = Measure("throttled_share", cpu.throttled_share, "1", OFTEN)
    used = Measure("used_cores", cpu.used_cores or 0.0, "{core}")
    busy, steal = Measure("host_busy", cpu.host_busy, "1"), Measure("host_steal", cpu.host_steal, "1")
    measures: tuple[Measure, ...] = (share, used, busy, steal, Measure("throttled", cpu.throttled_s, "s"))
    if cpu.quota_cores is None:
        return ok(f"No quota limits it; it uses {used}{_instead(cpu)}", *measures)
    quota, wanting = Measure("quota_cores", cpu.quota_cores, "{core}"), Measure("wanting", cpu.wanting, "{thread}")
    text = f"{share} of the periods were cut off by the quota of {quota} (limit {OFTEN}); it used {used}"
    measures += (quota, wanting)
    if share.value < OFTEN.value:
        return ok(text + _instead(cpu), *measures)
    spiky = cpu.used_cores is not None and used.value < SPENT.value * quota.value
    cause = "too-many-threads" if spiky and wanting.value > max(1.0, quota.value) else "quota-too-small"
    say = critical if share.value >= MOSTLY.value else warning
    return say(f"{text}, up to {wanting} wanted to run", *measures, cause=cause, impact=FELT, next=NEXT[cause])


def _instead(cpu: ProcessorTime) -> str:
    """Name what slows a service down that no quota holds back."""
    if cpu.host_steal >= STOLEN.value:
        return "; the hypervisor gives its processors to others"
    if cpu.host_busy >= HOST_FULL.value:
        return f"; the host is busy, {Measure('waiting_cores', cpu.waiting_cores, '{thread}')} of it waited on average"
    return "; one thread of it fills a core: more cores would not help" if cpu.busiest_core >= ONE_CORE.value else ""
