#!/usr/bin/env -S plumb run
"""Are new connections dropped because the listener's accept queue is full?

The kernel completes handshakes by itself and queues them until the server calls accept(). A full queue drops packets
without a word, and the client tries again a second later. Drops are read per listener: `netstat -s` has only a sum.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.listeners import Listener, ListenQueues

ANY_DROP = Threshold(
    1, "{connection}", "RFC 6298: each drop costs its client the first retransmission timeout, 1 s", "dropped"
)
NEARLY_FULL = Threshold(0.8, "1", "judgement: the next burst overflows it", "most that waited, share of the backlog")
AMPLE = Threshold(4096, "{connection}", "default of net.core.somaxconn since Linux 5.4", "backlog that is not small")

IMPACT = "Clients take whole seconds to connect, or time out; the server logs nothing, and who is connected is well."
CURES = {
    "accept-loop-stuck": "The queue never empties: find what keeps the server from accept(): EMFILE, a busy loop.",
    "other-drops": "Not the accept queue: see nstat for TCPReqQFullDrop (a SYN flood) and the memory counters.",
    "somaxconn-caps-backlog": "Raise net.core.somaxconn, then make the server call listen() again (reload or restart).",
    "backlog-argument-too-small": "Raise the backlog given to listen(), and somaxconn if that is lower.",
}


@diagnostic
def listen_backlog_overflow(queues: ListenQueues) -> Finding:
    """Hold each listener's own drops against zero, and its fullest moment against its backlog."""
    if not queues.listeners:
        return unknown("Nothing listens on TCP here.")
    worst = max(queues.listeners, key=_badness)
    fill = Measure("fill_ratio", worst.waiting / max(worst.backlog, 1), "1", NEARLY_FULL)
    dropped = Measure("dropped", worst.dropped, "{connection}", ANY_DROP)
    numbers = (
        dropped,
        fill,
        Measure("backlog", worst.backlog, "{connection}"),
        Measure("somaxconn", queues.somaxconn, "{connection}"),
    )
    waited = f"at most {worst.waiting} were seen waiting, with room for {worst.backlog}"
    text = f"Port {worst.port} dropped {dropped} in {queues.window_s:g} s; {waited} ({fill}; limit {NEARLY_FULL})."
    cause = _cause(worst, queues)
    if worst.dropped >= ANY_DROP.value:
        return critical(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    if fill.value >= NEARLY_FULL.value:
        return warning(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    return ok(text, *numbers)


def _badness(one: Listener) -> tuple[int, float]:
    return one.dropped, one.waiting / max(one.backlog, 1)


def _cause(one: Listener, queues: ListenQueues) -> str:
    if one.dropped and not queues.overflows:
        return "other-drops"
    if one.least_waiting >= NEARLY_FULL.value * max(one.backlog, 1) or one.backlog >= AMPLE.value:
        return "accept-loop-stuck"
    return "somaxconn-caps-backlog" if one.backlog >= queues.somaxconn else "backlog-argument-too-small"
