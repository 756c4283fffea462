#!/usr/bin/env -S plumb run
"""Are the source ports towards one destination used up, so that no further connection can be opened?

connect() then fails with EADDRNOTAVAIL ("Cannot assign requested address"), which no kernel counter shows.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.ports import EphemeralPorts, PortUse

FULL = Threshold(0.95, "1", "judgement: the kernel searches long, and few are left", name="ports taken, share of range")
NEARLY = Threshold(0.7, "1", "judgement: a burst of half as many again fills it", name="ports taken, share of range")
DENSE = Threshold(0.95, "1", "the kernel takes odd and even ports apart: never so dense by itself", name="density")
ENOUGH = Threshold(30, "{port}", "judgement: fewer may lie side by side by chance", name="ports that say something")
MOSTLY = Threshold(0.5, "1", "judgement: more than half of them", name="share in TIME_WAIT")

IMPACT = "Each further connection from this address to this destination fails at once; those that are open are well."
CURES = {
    "many-connections": "Give the client side more source addresses or a wider ip_local_port_range.",
    "time-wait": "Keep connections to this destination open and use them again.",
    "own-range": "The program chooses from a range of its own (HAProxy `source`, IP_LOCAL_PORT_RANGE): widen it.",
    "bound-early": "The program binds before it connects: IP_BIND_ADDRESS_NO_PORT shares a port among destinations.",
}


@diagnostic
def ephemeral_port_exhaustion(ports: EphemeralPorts) -> Finding:
    """Hold the ports that the fullest pair of source and destination takes against those there are."""
    if not ports.usable:
        return unknown("net.ipv4.ip_local_port_range leaves no port at all.")
    if not ports.destinations:
        return ok("There is no outgoing connection.", Measure("usable", ports.usable, "{port}"))
    own = next((one for one in ports.destinations if own_range(one, ports)), None)
    worst = own or ports.destinations[0]
    size = worst.highest - worst.lowest + 1 if own else ports.usable
    alone = not own and not ports.fullest_source_shared and ports.fullest_source >= ENOUGH.value
    early = alone and ports.fullest_source / ports.usable >= NEARLY.value > worst.in_range / ports.usable
    taken = worst.distinct if own else ports.fullest_source if early else worst.in_range
    fill = Measure("fill_ratio", taken / size, "1", FULL)
    where = "one source address" if early else "one source address to one destination"
    waits = f"{worst.established} open, {worst.time_wait} in TIME_WAIT"
    text = f"{where.capitalize()} takes {taken} of {size} ports ({fill}; limit {FULL}): {waits}."
    numbers = (fill, Measure("taken", taken, "{port}"), Measure("usable", size, "{port}"))
    if fill.value < NEARLY.value:
        return ok(text, *numbers)
    waiting = worst.time_wait > MOSTLY.value * (worst.time_wait + worst.established)
    cause = "own-range" if own else "bound-early" if early else "time-wait" if waiting else "many-connections"
    judge = critical if fill.value >= FULL.value else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])


def own_range(one: PortUse, ports: EphemeralPorts) -> bool:
    """Tell whether these ports lie side by side in a stretch that is not the system's range: a program chose them."""
    span = one.highest - one.lowest + 1
    return one.distinct >= max(ENOUGH.value, DENSE.value * span) and span < FULL.value * ports.usable
