#!/usr/bin/env -S plumb run
"""Does it take long to come from a name to an address?

Each name server of the process's resolv.conf is asked directly. What a lookup costs follows from that: a silent
server costs its whole time-out, and search domains multiply the questions.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.names import NameResolution

SLOW = Threshold(0.5, "s", "judgement: ten times the 50 ms that RFC 8305 waits for a second answer", name="one lookup")
FELT = Threshold(1, "s", "judgement: connect time-outs begin at one second", name="one lookup, page")
IMPACT = "Each new connection to a name waits that long, and thread pools fill with lookups; open connections are well"
NEXT = {
    "no-server-answers": ("Ask one by hand: dig @SERVER example.com", "Is UDP port 53 open, and is the address right?"),
    "first-server-silent": ("Remove the silent server from resolv.conf, or put it last", "Lower the wait: timeout:1"),
    "resolver-slow": ("Compare: dig @SERVER NAME, twice: the second answer comes from its cache", "Cache nearer by"),
    "search-multiplies": ("Write names with a dot at the end, or lower ndots", "Shorten the search list"),
}


@diagnostic
def dns_slow(names: NameResolution) -> Finding:
    """Predict one lookup by glibc's rules from what each server answered, and name what it is made of."""
    lookup = Measure("lookup", names.lookup_s, "s", SLOW)
    slowest = max(lookup.value, names.getaddrinfo_s or 0.0)
    tried, silent = (
        Measure("tried", names.tried, "{name}"),
        Measure("silent", sum(one.silent for one in names.servers), "{server}"),
    )
    answer = Measure("answer", (names.first.median_s or 0.0) if names.first else 0.0, "s")
    measures = (lookup, answer, tried, silent, Measure("getaddrinfo", names.getaddrinfo_s or 0.0, "s"))
    of = f"{silent} of {len(names.servers)} silent"
    if names.first is None:
        text = f"No name server of {len(names.servers)} works; a lookup fails after {lookup} (limit {SLOW}), {of}"
        cause = "no-server-answers"
        return critical(text, *measures, cause=cause, impact=IMPACT, next=NEXT[cause])
    text = f"A lookup takes about {lookup} (limit {SLOW}): an answer {answer}, {tried} tried, {of}"
    if slowest < SLOW.value:
        return ok(text, *measures)
    cause = _cause(names, answer.value)
    say = critical if slowest >= FELT.value else warning
    return say(text, *measures, cause=cause, impact=IMPACT, next=NEXT[cause])


def _cause(names: NameResolution, answer_s: float) -> str:
    if names.servers[0].silent or (names.rotate and any(one.silent for one in names.servers)):
        return "first-server-silent"
    lossy = names.first is not None and names.first.answered < names.first.asked
    return "resolver-slow" if answer_s >= SLOW.value or lossy or names.tried == 1 else "search-multiplies"
