#!/usr/bin/env -S plumb run
"""Are new connections lost because the kernel's table of connections is full, and which of its two tables?

A full conntrack table drops whatever would begin a connection. A pile of sockets in TIME_WAIT looks alike and refuses
nobody on the side of a server; it is the side that opens connections that runs out of ports.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.tables import ConnectionTables

ANY_DROP = Threshold(1, "{packet}", "by definition: each was the begin of a connection", name="packets dropped")
FULL = Threshold(0.95, "1", "Netdata: netfilter_conntrack_full", name="tracked connections, share of the limit")
FILLING = Threshold(0.75, "1", "node-mixin: NodeHighNumberConntrackEntriesUsed", name="tracked, share of the limit")
PILE = Threshold(
    0.8, "1", "judgement: the rest is a minute's reserve at the same rate", name="share of tcp_max_tw_buckets"
)
OURS = Threshold(0.5, "1", "judgement: more than half of them", name="share that this side closed first")

LOST = "New connections of everybody on this machine time out at random; those that are open go on."
HARMLESS = "None by itself: some memory, and a log line. It shows connections that are too short."
CURES = {
    "conntrack-full": "Take the gateway's port out of conntrack (notrack), drop dead entries, then size the table.",
    "server-closes-first": "Let the client close first, or keep connections open; see health checks.",
    "client-closes-first": "Keep connections to this destination open: their ports are what runs out next.",
}


@diagnostic
def conntrack_or_time_wait(tables: ConnectionTables) -> Finding:
    """Judge conntrack by its drops and its fill, then TIME_WAIT by its limit."""
    tracked = (tables.tracked or 0) / tables.tracked_limit if tables.tracked_limit else 0.0
    fill = Measure("conntrack_ratio", round(tracked, 4), "1", FULL)
    dropped = Measure("dropped", tables.dropped, "{packet}", ANY_DROP)
    pile = Measure("time_wait_ratio", round(tables.time_wait / max(tables.time_wait_limit, 1), 4), "1", PILE)
    numbers = (fill, dropped, pile, Measure("time_wait", tables.time_wait, "{connection}"))
    table = "No connection is tracked" if tables.tracked_limit is None else f"Conntrack is {fill} full (limit {FULL})"
    drops = f"dropped {dropped} in {tables.window_s:g} s"
    text = f"{table}, {drops}; {tables.time_wait} in TIME_WAIT, {pile} of the limit (limit {PILE})."
    if tables.dropped >= ANY_DROP.value or fill.value >= FULL.value:
        return critical(text, *numbers, cause="conntrack-full", impact=LOST, next=CURES["conntrack-full"])
    if fill.value >= FILLING.value:
        return warning(text, *numbers, cause="conntrack-full", impact=LOST, next=CURES["conntrack-full"])
    if tables.time_wait_overflows or pile.value >= PILE.value:
        ours = tables.closed_by_us > OURS.value * tables.time_wait
        cause = "server-closes-first" if ours else "client-closes-first"
        return warning(text, *numbers, cause=cause, impact=HARMLESS, next=CURES[cause])
    return ok(text, *numbers)
