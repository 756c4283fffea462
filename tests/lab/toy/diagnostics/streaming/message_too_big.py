#!/usr/bin/env -S plumb run
"""Are clients thrown out because their messages are too big?"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok
from plumbline.streaming.evidence import Closes

RECENT = Threshold(1.0, "s", "judgement: a publisher that comes back is thrown out again within a second")


@diagnostic
def message_too_big(closes: Closes) -> Finding:
    """Count the closes with 1009 of the last second."""
    count = sum(close.code == 1009 and close.ago_s < RECENT.value for close in closes.recent)
    thrown = Measure("thrown_out", count, "{connection}")
    if not count:
        return ok("Nobody was closed with 1009 in the last second.", thrown)
    return critical(
        f"{thrown} closed with 1009 in the last second.",
        thrown,
        cause="limit-too-small",
        impact="What they publish never arrives.",
        next="Raise max_message_bytes.",
    )
