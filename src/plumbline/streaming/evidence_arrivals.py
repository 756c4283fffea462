"""How clients arrive: evenly, or all at the same moment, again and again; and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from plumbline.evidence import Endpoint, Source, measured
from plumbline.streaming.probes import opens
from plumbline.streaming.probes.reached import asked, malformed, process_of

YOUNG_S = 2.0
"""A connection that the server ends before this age, in seconds, was let in for nothing."""
QUIET = 0.1
"""Part of the fullest bin below which a bin is quiet."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New connections over three seconds, in bins."""

    counts: tuple[int, ...] = measured("{connection}", "new TCP connections in each bin, in order")
    bin_s: float = measured("s", "length of a bin")
    resets: int = measured("{connection}", "connections that were reset in the window (EstabResets)")
    failed: int = measured("{connection}", "attempts that failed half-way in the window (AttemptFails)")
    connections: int | None = measured("{connection}", "open connections at the end; None: unknown", default=None)
    refused: int | None = measured(
        "{connection}", "requests, commands and young connections that the server refused; None: unknown", default=None
    )
    addresses: int | None = measured("{address}", "addresses that open connections come from", default=None)
    busiest_address: float | None = measured("1", "share of the address with most of them", default=None)
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def arrivals(self) -> int:
        """New connections in the window."""
        return sum(self.counts)

    @property
    def rate_hz(self) -> float:
        """New connections per second."""
        return self.arrivals / (len(self.counts) * self.bin_s) if self.counts else 0.0

    @property
    def peak(self) -> int:
        """New connections in the fullest bin."""
        return max(self.counts, default=0)

    @property
    def dispersion(self) -> float:
        """Variance of the counts through their mean: 1 for arrivals at random (Poisson), below for a steady beat."""
        mean = self.arrivals / len(self.counts) if self.counts else 0.0
        return sum((one - mean) ** 2 for one in self.counts) / len(self.counts) / mean if mean else 0.0

    @property
    def bursts(self) -> int:
        """Separate crowds: stretches with half of the peak or more, with a quiet bin between them."""
        found, quiet = 0, True
        for one in self.counts:
            if self.peak and quiet and one >= self.peak / 2:
                found, quiet = found + 1, False
            quiet = quiet or one <= QUIET * self.peak
        return found

    @property
    def refused_share(self) -> float | None:
        """Refusals through arrivals, at most 1; None: unknown."""
        return min(1.0, self.refused / self.arrivals) if self.refused is not None and self.arrivals else None


def arrivals_from_pid(endpoint: Endpoint) -> Arrivals:
    """Watch the kernel's counters in the network namespace of any server.

    Raises:
        UnavailableError: Not on Linux, no such process, or it belongs to another user.
    """
    return Arrivals(**_seen(endpoint))


def arrivals_from_both(endpoint: Endpoint) -> Arrivals:
    """Watch the kernel's counters, and ask the gateway before and after what it refused.

    Raises:
        UnavailableError: Not on Linux, no such process, or the admin socket does not answer.
    """
    before = asked(endpoint, "stats")
    seen = _seen(endpoint)
    after = asked(endpoint, "stats")
    try:
        told = [sum(one["rejected"].values()) + sum(one["errors"].values()) for one in (before, after)]
        window_s = len(seen["counts"]) * seen["bin_s"]
        recent = [one for one in asked(endpoint, "closes")["recent"] if one["ago_s"] <= window_s]
        young = sum(one["by"] == "server" and one["age_s"] < YOUNG_S for one in recent)
        return Arrivals(**seen | {"connections": after["connections"], "refused": told[1] - told[0] + young})
    except (KeyError, TypeError, AttributeError) as error:
        raise malformed(endpoint, error) from None


def _seen(endpoint: Endpoint) -> dict[str, Any]:
    with process_of(
        endpoint, "the counters of a network namespace are read on Linux only", "run as that user or as root"
    ) as pid:
        seen, peers = opens.watch(pid), opens.peers(pid)
    here = sum(peers.values())
    return {
        "counts": seen.counts,
        "bin_s": seen.bin_s,
        "resets": seen.resets,
        "failed": seen.failed,
        "connections": here,
        "addresses": len(peers),
        "busiest_address": max(peers.values()) / here if here else None,
    }


Arrivals.sources = (
    Source(
        frozenset({"admin", "pid"}),
        "PassiveOpens in /proc/{pid}/net/snmp, and refusals over the admin socket {admin}",
        arrivals_from_both,
        window_s=opens.BIN_S * opens.BINS,
    ),
    Source(
        frozenset({"pid"}),
        "PassiveOpens in /proc/{pid}/net/snmp: all servers of that network namespace",
        arrivals_from_pid,
        window_s=opens.BIN_S * opens.BINS,
    ),
)
