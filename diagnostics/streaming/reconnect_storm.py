#!/usr/bin/env -S plumb run
"""Do clients come back all at the same moment, again and again?

After a drop everybody reconnects; that is one crowd, and it passes. A storm repeats itself: clients retry without
jitter, in step, because they are refused or time out. Chance has a shape: random arrivals vary as their mean does.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence import Arrivals

CROWD = Threshold(30, "{connection}", "judgement: fewer at one moment trouble no server", "new in 0.1 s")
CLUMPED = Threshold(
    5.0, "1", "Poisson: 1 at random; 30 bins exceed 2 once in 1,000", "variance of arrivals, to the mean"
)
AGAIN = Threshold(2, "{burst}", "by definition: one crowd passes, two come back", "crowds within three seconds")
LOOPING = Threshold(100, "{connection}/s", "measured: some 5 % of a core at 0.5 ms each", "arrivals, half refused")
IN_VAIN = Threshold(0.5, "1", "judgement: most of the work is for nothing", "refused share of arrivals")

IMPACT = "Handshakes take the processor from those who stayed; the server cannot recover while they come in step."
CURES = {
    "refused-in-step": "Give clients a growing back-off with full jitter; then see what refuses them, and why.",
    "no-jitter": "Give clients a growing back-off with full jitter; let clients go over a window (drain_s).",
}


@diagnostic
def reconnect_storm(arrivals: Arrivals) -> Finding:
    """Look for crowds that repeat, and for a loop of refusals."""
    peak = Measure("peak", arrivals.peak, "{connection}", CROWD)
    bursts = Measure("bursts", arrivals.bursts, "{burst}", AGAIN)
    clumped = Measure("dispersion", arrivals.dispersion, "1", CLUMPED)
    rate = Measure("rate", arrivals.rate_hz, "{connection}/s", LOOPING)
    vain = Measure("refused", arrivals.refused_share or 0.0, "1", IN_VAIN)
    numbers = (peak, bursts, clumped, rate, vain)
    text = f"{arrivals.arrivals} connections came in {len(arrivals.counts) * arrivals.bin_s:.0f} s"
    text += f" ({rate.value:.0f} per second), up to {arrivals.peak} in {arrivals.bin_s:.1f} s"
    refused = arrivals.refused_share is not None and vain.value >= IN_VAIN.value
    crowds = peak.value >= CROWD.value and clumped.value >= CLUMPED.value and bursts.value >= AGAIN.value
    if refused and (crowds or rate.value >= LOOPING.value):
        text += f", {vain} of them in vain; {arrivals.connections} are connected."
        return critical(text, *numbers, cause="refused-in-step", impact=IMPACT, next=CURES["refused-in-step"])
    if crowds:
        text += f", in {arrivals.bursts} separate crowds; {arrivals.connections} are connected."
        return warning(text, *numbers, cause="no-jitter", impact=IMPACT, next=CURES["no-jitter"])
    return ok(f"{text}: no crowds that repeat.", *numbers)
