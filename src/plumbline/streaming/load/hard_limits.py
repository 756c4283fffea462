"""Hard limits: what they refuse, no processor could serve. Pure values."""

from __future__ import annotations

from collections.abc import Sequence

from plumbline.streaming.load.limits import FULL, Bottleneck, Load, Rule, processes
from plumbline.streaming.load.sampling import Sample


def _ports(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    failed = load.failures.get("ports", 0)
    if not failed:
        return None
    waiting = max((one.kernel.time_wait for one in samples if one.kernel), default=0)
    return Bottleneck(
        "ports",
        "generator",
        f"The generator ran out of ports: {failed} attempts failed with EADDRNOTAVAIL.",
        (
            f"{failed} times EADDRNOTAVAIL",
            f"at most {waiting} sockets in TIME_WAIT",
            "one source address has 28,232 ports",
        ),
    )


def _descriptors(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    for where in ("server", "generator"):
        fullest = max(
            processes(samples, where), key=lambda one: one.descriptors / max(1, one.descriptors_limit), default=None
        )
        if fullest and fullest.descriptors_limit and fullest.descriptors >= FULL * fullest.descriptors_limit:
            part = fullest.descriptors / fullest.descriptors_limit
            return Bottleneck(
                "descriptors",
                where,
                f"The {where} ran out of file descriptors: {fullest.name} ({fullest.pid}) held {fullest.descriptors:,} "
                f"of {fullest.descriptors_limit:,} ({part:.0%}).",
                (f"{fullest.descriptors} of {fullest.descriptors_limit} descriptors",),
            )
    failed = load.failures.get("descriptors", 0)
    if failed:
        text = f"The generator ran out of file descriptors: {failed} attempts failed with EMFILE."
        return Bottleneck("descriptors", "generator", text, (f"{failed} times EMFILE",))
    return None


def _accept_queue(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    overflows = sum(one.kernel.listen_overflows for one in samples if one.kernel)
    if not overflows:
        return None
    fullest = max((stats.get("accept_queue") or 0 for one in samples for stats in one.gateway), default=0)
    return Bottleneck(
        "accept-queue",
        "server",
        f"The accept queue overflowed {overflows:,} times: connections waited for SYNs sent again after 1 s and more.",
        (
            f"ListenOverflows +{overflows}",
            f"at most {fullest} seen waiting",
            f"{load.failures.get('timeout', 0)} time-outs",
        ),
    )


def _kernel_memory(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    del load
    most = max((one.kernel for one in samples if one.kernel), key=lambda one: one.tcp_pages, default=None)
    if most is None or most.tcp_pages < FULL * most.tcp_pages_limit:
        return None
    return Bottleneck(
        "kernel-memory",
        "kernel",
        f"TCP buffers filled the kernel's limit: {most.tcp_pages:,} of {most.tcp_pages_limit:,} pages (tcp_mem); every "
        "connection of the machine is slowed down.",
        (f"{most.tcp_pages} of {most.tcp_pages_limit} pages", f"{most.sockets} TCP sockets"),
    )


def _nobody(samples: Sequence[Sample], load: Load) -> Bottleneck | None:
    del samples
    if load.connected:
        return None
    failed = sum(load.failures.values())
    why = ", ".join(f"{count:,} times {word}" for word, count in load.failures.items())
    attempts = "the one attempt" if failed == 1 else f"all {failed:,} attempts"
    return Bottleneck(
        "nobody",
        "server",
        f"Nobody was ever connected to {' or '.join(load.urls)}: {attempts} failed ({why}); see that a server listens "
        "there and speaks this dialect.",
        (why,),
    )


HARD: tuple[Rule, ...] = (_ports, _descriptors, _accept_queue, _kernel_memory, _nobody)
