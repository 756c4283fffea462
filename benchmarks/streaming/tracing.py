"""What tracing costs a publisher: the broker asked directly, with tracing off, one in a hundred, and all.

`python benchmarks/streaming/tracing.py`
"""

import time
from collections.abc import Callable
from types import SimpleNamespace

from opentelemetry.sdk.trace import TracerProvider

from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.tracing import Sampling
from plumbline.streaming.server.fanout import Fanout
from plumbline.streaming.server.telemetry import Telemetry

STORED = Position("e", 1)


def measured(publish: Callable[..., None], times: int) -> float:
    """Return nanoseconds of one call, the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            publish("channel", b"1", None, print_nothing)
        rounds.append((time.perf_counter() - began) / times * 1e9)
    return min(rounds)


def print_nothing(_told: object) -> None:
    """Take the broker's answer."""


def main() -> None:
    """Print the four figures and their ratios."""
    broker = SimpleNamespace(publish=lambda *said: said[-1](STORED))
    owner = SimpleNamespace(telemetry=None, rules=Settings().rules())
    fanout = Fanout.__new__(Fanout)  # only what publishing touches
    fanout.broker, fanout.span, fanout._owner = broker, None, owner  # noqa: SLF001 - as its constructor would
    base = measured(broker.publish, 100_000)
    print(f"broker directly {base:.0f} ns")
    for name, ratio, times in (("off", None, 100_000), ("one in a hundred", 0.01, 20_000), ("all", 1.0, 2_000)):
        owner.telemetry = None if ratio is None else Telemetry(TracerProvider(), Sampling(ratio))
        took = measured(fanout.publish, times)
        print(f"tracing {name}: {took:.0f} ns, {took - base:.0f} more")


if __name__ == "__main__":
    main()
