#!/usr/bin/env -S plumb run
"""Does a copy of a stream (a mirror or a source) still hear from its origin, and how old is its newest message?

The lag that a copy reports is what it knows of: on a dead link it stays 0. The silence of the link and the age of the
newest message grow instead, so these are judged.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.streaming.evidence import ReplicatedStream, Replication

SILENT = Threshold(
    5, "s", "nats-server sends a mirror's consumer a heartbeat every second; five are missing", "silence of a link"
)
LAGGING = Threshold(1000, "{message}", "judgement: more than one fetch of a consumer", "messages yet to get")
OLD = Threshold(15, "s", "gateways at home write a canary every 5 s; three are missing", "age of the newest message")
CANARIES = "PLUMBLINE"  # the stream of the gateways: it is never quiet for long

IMPACT = "Readers of the copy see nothing new and no error; if the origin is lost now, what is missing here is lost."
CURES = {
    "link-dead": "Bring the leaf-node link back: read the copy's server log, its remotes and the way to port 7422.",
    "origin-silent": "The link stands, its origin does not answer: look at the origin's server and at its stream.",
    "mirror-behind": "Compare the link's rate with the origin's; find what is slow before you shorten retention.",
    "other-stream": "The origin is not the stream that was copied: make the mirror anew.",
}


@diagnostic
def replication_gap(copies: Replication) -> Finding:
    """Judge the copy that is worst off: silence first, then messages to get, then age."""
    if not copies.streams:
        return unknown(f"{copies.server} has {copies.streams_in_all} streams and none is a mirror or has a source.")
    judged = [_judged(one, copies.leaf_links) for one in copies.streams]
    red = [item for item in judged if item.status.red]
    return (sorted(red, key=lambda item: item.cause == "mirror-behind") or judged)[0]


def _judged(one: ReplicatedStream, links: int) -> Finding:
    silence, age = one.active_s, one.newest_s
    heard = Measure("silent_s", age or 0.0 if silence is None else silence, "s", SILENT)
    newest = Measure("newest_s", age or 0.0, "s", OLD)
    lag = Measure("lag_messages", one.lag_messages, "{message}", LAGGING)
    who = f"The {one.kind} {one.stream}"
    never = " since its server started" if silence is None else ""
    if heard.value >= SILENT.value:
        cause = "link-dead" if one.domain is not None and not links else "origin-silent"
        text = (
            f"{who} has not heard of its origin{never} for {heard} (limit {SILENT}), and yet it reports a lag of {lag}."
        )
        return critical(text, heard, lag, newest, cause=cause, impact=IMPACT, next=CURES[cause])
    if one.lag_messages >= LAGGING.value:
        text = f"{who} has {lag} yet to get (limit {LAGGING})."
        return warning(text, lag, heard, newest, cause="mirror-behind", impact=IMPACT, next=CURES["mirror-behind"])
    if one.stream == CANARIES and newest.value >= OLD.value:
        text = f"{who} hears of its origin, but its newest message is {newest} old (limit {OLD})."
        return critical(text, newest, heard, lag, cause="other-stream", impact=IMPACT, next=CURES["other-stream"])
    return ok(f"{who} heard of its origin {heard} ago (limit {SILENT}) and has {lag} yet to get.", heard, lag, newest)
