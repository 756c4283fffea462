#!/usr/bin/env -S plumb run
"""Is the server running out of file descriptors, so that it cannot accept another connection?

Each connection costs one. At the soft RLIMIT_NOFILE accept() fails with EMFILE: who is connected notices nothing, and
nobody new gets in. The kinds of descriptors tell a limit that is too low from a leak.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.descriptors import FileDescriptors

NEARLY_FULL = Threshold(0.8, "1", "judgement: one fifth is room for one deploy's reconnects", "used share of the limit")
FULL = Threshold(0.95, "1", "Netdata's file descriptor alert of a process: critical at 95 %", "used share of the limit")
MACHINE_FULL = Threshold(
    0.9, "1", "node_exporter mixin NodeFileDescriptorLimit: critical at 90 %", "used share of fs.file-max"
)
HUNG_UP = Threshold(0.2, "1", "judgement: close() ends CLOSE_WAIT within milliseconds", "share in CLOSE_WAIT")
NO_SOCKETS = Threshold(0.5, "1", "judgement: a server of connections holds mostly sockets", "share that is no socket")

IMPACT = "New connections fail or hang; those that exist go on, so graphs of traffic still look healthy."
CURES = {
    "limit-too-low": "Raise the soft limit of the live process (prlimit), then of its unit (LimitNOFILE=).",
    "sockets-not-closed": "Find the code that never calls close() after its peer hung up (ss -tnp state close-wait).",
    "files-not-closed": "List what is open (ls -l /proc/PID/fd) and close it: a higher limit only postpones this.",
    "machine-limit": "Find who holds most descriptors (lsof -n), then raise fs.file-max.",
}


@diagnostic
def fd_exhaustion(fds: FileDescriptors) -> Finding:
    """Hold the open descriptors against the process's own soft limit, and the machine's against fs.file-max."""
    if fds.host_open and fds.host_limit and fds.host_open >= MACHINE_FULL.value * fds.host_limit:
        share = Measure("host_used_ratio", fds.host_open / fds.host_limit, "1", MACHINE_FULL)
        text = (
            f"The machine has {share} of fs.file-max open (limit {MACHINE_FULL}): {fds.host_open} of {fds.host_limit}."
        )
        return critical(text, share, cause="machine-limit", impact=IMPACT, next=CURES["machine-limit"])
    if fds.soft_limit is None:
        return unknown(f"{fds.process} holds {fds.open} descriptors, but its limit cannot be read on this platform.")
    used = fds.open / max(fds.soft_limit, 1)
    share = Measure("used_ratio", used, "1", FULL if used >= FULL.value else NEARLY_FULL)
    numbers = (share, Measure("open", fds.open, "{descriptor}"), Measure("soft_limit", fds.soft_limit, "{descriptor}"))
    text = f"{fds.process} holds {fds.open} of {fds.soft_limit} file descriptors ({share}; limit {share.limit})."
    if used < NEARLY_FULL.value:
        return ok(text, *numbers)
    cause = _cause(fds)
    judge = critical if used >= FULL.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def _cause(fds: FileDescriptors) -> str:
    if (fds.close_wait or 0) >= HUNG_UP.value * fds.open:
        return "sockets-not-closed"
    if (fds.files or 0) + (fds.others or 0) >= NO_SOCKETS.value * fds.open:
        return "files-not-closed"
    return "limit-too-low"
