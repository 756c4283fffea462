#!/usr/bin/env -S plumb run
"""Do the clocks of this machine and of those that it works with disagree?

Every answer carries its uncertainty (half a round trip for NTP, about a second for a Date header); a clock counts as
off only by what is certain.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.host.clockskew import Clock, ClockSkew

DRIFTED = Threshold(0.05, "s", "node_exporter mixin, NodeClockSkewDetected: 0.05 s", name="certain difference")
BREAKS = Threshold(1, "s", "RFC 7519, 2: times of tokens are whole seconds; default leeway 0", name="difference, page")
FELT = "Fresh tokens and certificates are refused as not yet valid, leases and caches end early or never, logs misorder"
NEXT = {
    "peer-clock-off": ("On that machine: chronyc tracking; chronyc makestep", "Tokens it issued before stay wrong"),
    "own-clock-off": (
        "On this machine: chronyc sources -v; chronyc makestep",
        "Look why it was not kept: no NTP source?",
    ),
    "clocks-differ": ("Ask a third clock (clocks = …) to see which of the two is wrong",),
    "token-from-the-future": ("Name who issued the token as a clock (clocks = …), and compare",),
}


@diagnostic
def clock_skew(skew: ClockSkew) -> Finding:
    """Find the clock that is certainly off by most, and let the others say whose fault it is."""
    answered = [clock for clock in skew.clocks if clock.offset_s is not None]
    ahead = Measure("token_ahead", skew.token_ahead_s or 0.0, "s", BREAKS)
    if not answered:
        return ok(f"The kernel says that its clock is kept, to {Measure('max_error', skew.max_error_s or 0, 's')}")
    worst = max(answered, key=lambda clock: (_certain(clock), -clock.uncertainty_s))
    offset, blur = Measure("offset", worst.offset_s or 0.0, "s"), Measure("uncertainty", worst.uncertainty_s, "s")
    certain = Measure("certain_difference", _certain(worst), "s", DRIFTED)
    clocks = Measure("clocks", len(answered), "{clock}")
    measures: tuple[Measure, ...] = (certain, offset, blur, clocks)
    measures += (ahead,) if skew.token_ahead_s is not None else ()
    far = f"{Measure('difference', abs(offset.value), 's')} {'ahead of' if offset.value > 0 else 'behind'}"
    seen = f"{worst.address} is {far} this machine, give or take {blur}"
    text = f"{seen}: {certain} are certain (limit {DRIFTED}), by {clocks}"
    if certain.value > DRIFTED.value:
        say, cause = critical if certain.value >= BREAKS.value else warning, _cause(answered)
        return say(text, *measures, cause=cause, impact=FELT, next=NEXT[cause])
    if ahead.value > BREAKS.value:
        text = f"The token becomes valid in {ahead} (limit {BREAKS}), and all clocks that answered agree"
        cause = "token-from-the-future"
        return critical(text, *measures, cause=cause, impact=FELT, next=NEXT[cause])
    return ok(text, *measures)


def _certain(clock: Clock) -> float:
    return max(0.0, abs(clock.offset_s or 0.0) - clock.uncertainty_s)


def _cause(clocks: list[Clock]) -> str:
    off = [clock for clock in clocks if clock.off(DRIFTED.value)]
    if len(clocks) == len(off) == 1:
        return "clocks-differ"
    return "own-clock-off" if len(off) > len(clocks) / 2 else "peer-clock-off"
