"""What tracing costs a publisher: the broker asked directly, with tracing off, one in a hundred, and all.

    python benchmarks/streaming/tracing.py [--quick]

Bounds: the best of five rounds in one process; a broker that answers at once, so that only what is added is measured.
"""

import time
from collections.abc import Callable
from types import SimpleNamespace

import common
from opentelemetry.sdk.trace import TracerProvider

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.tracing import Sampling
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.telemetry import Telemetry

STORED = Position("e", 1)


def measured(publish: Callable[..., None], times: int) -> float:
    """Return nanoseconds of CPU of one call, the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            publish("channel", b"1", None, print_nothing)
        rounds.append((time.process_time() - began) / times * 1e9)
    return min(rounds)


def print_nothing(_told: object) -> None:
    """Take the broker's answer."""


def main() -> None:
    """Measure, print the four figures and keep them."""
    given = common.arguments(__doc__)
    started = time.time()
    broker = SimpleNamespace(publish=lambda *said: said[-1](STORED))
    owner = SimpleNamespace(telemetry=None, rules=Settings().rules())
    fanout = Fanout.__new__(Fanout)  # only what publishing touches
    fanout.broker, fanout.span, fanout._owner = broker, None, owner  # noqa: SLF001 - as its constructor would
    share = 100 if given.quick else 1
    found = {"broker_ns": measured(broker.publish, 100_000 // share)}
    for name, ratio, times in (("off_ns", None, 100_000), ("hundredth_ns", 0.01, 20_000), ("all_ns", 1.0, 2_000)):
        owner.telemetry = None if ratio is None else Telemetry(TracerProvider(), Sampling(ratio))
        found[name] = measured(fanout.publish, times // share)
    results = {name: round(value, 1) for name, value in found.items()}
    common.save("tracing", given.quick, started, results)
    common.table(
        ["", "ns", "more than the broker"], [[n, v, round(v - found["broker_ns"])] for n, v in results.items()]
    )


if __name__ == "__main__":
    main()
