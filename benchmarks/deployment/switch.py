"""Switching the version under load, with a client that never sends anything twice: failed, stale, and what p99 pays.

    python benchmarks/deployment/switch.py [--quick] [--ways artefact,crowd,runtime,haproxy,nginx]

Two forests of 100 trees. One client at a time keeps 36 requests in flight, four of them each on a connection of its own
(`crowd`: 5,000 in flight). Blocks with switches and blocks without, each as long as the one before it, take turns on
the same connections; p99 of the one is divided by that of the other. Stale: sent after the switch was acknowledged,
answered by the old version.
`artefact`: the server loads the new version, takes it, lets go of the old one. `runtime`: two processes behind HAProxy,
switched by its Runtime API. `haproxy` and `nginx`: the same two processes, but the proxy's configuration is written
anew and reloaded, as it usually is; a reload counts as acknowledged when a new connection meets the new version.
Bounds: two blocks of each kind, 20 switches a way, 500 requests around each (2,500 for the crowd); about ten minutes.
"""

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import forests
import proxies
from peering import MissingPeerError

from plumbline.deployment.lanes.artefact import ArtefactLane
from plumbline.deployment.lanes.strict import Strict, Tally
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

PATH = f"/v2/models/{forests.MODEL}/infer"
BODY = json.dumps(forests.request()).encode()
WAYS = ("artefact", "crowd", "runtime", "haproxy", "nginx")
CROWD = 5_000
Switch = Callable[[forests.Version, forests.Version], None]


@dataclass(frozen=True)
class Front:
    """Where requests go to, and how the version behind it is switched: from the first one to the second."""

    port: int
    switch: Switch
    after: Switch = lambda _old, _new: None


@dataclass(frozen=True)
class Size:
    """How much is asked."""

    in_flight: int
    fresh: int
    blocks: int
    switches: int
    requests: int


class Ways:
    """All of them, over two registered versions.

    Args:
        folder: With the registry.
        versions: The old one and the new one.
    """

    def __init__(self, folder: Path, versions: list[forests.Version]) -> None:
        self._folder, self._versions = folder, versions

    def _options(self, number: int = 0, **more: Any) -> Options:
        given = {"ref": self._versions[number].digest, "port": 0, "drain_grace_s": 0.0}
        return Options(model=forests.MODEL, registry=str(self._folder / "registry"), **(given | more))

    @contextmanager
    def artefact(self, **more: Any) -> Iterator[Front]:
        """One server that loads versions while it serves."""
        with Server(self._options(**more)) as server:
            lane = ArtefactLane([server.admin])

            def switch(_old: forests.Version, new: forests.Version) -> None:
                lane.prepare(new.digest, epoch=1)
                lane.share({new.digest: 1.0}, epoch=1)

            yield Front(server.port, switch, lambda old, _new: lane.retire(old.digest, epoch=1))

    @contextmanager
    def crowd(self) -> Iterator[Front]:
        """The same, with room for thousands of callers at once."""
        with self.artefact(queue=2 * CROWD, max_connections=2 * CROWD) as front:
            yield front

    @contextmanager
    def runtime(self) -> Iterator[Front]:
        """Two groups of processes behind HAProxy's Runtime API."""
        options = {one.digest: self._options(number) for number, one in enumerate(self._versions)}
        with (
            tempfile.TemporaryDirectory(prefix="runtime-") as text,
            proxies.runtime_lane(Path(text), options) as (lane, port),
        ):
            for one in self._versions[::-1]:
                lane.prepare(one.digest, epoch=1)
                lane.share({one.digest: 1.0}, epoch=1)
            yield Front(port, lambda _old, new: lane.share({new.digest: 1.0}, epoch=1))

    @contextmanager
    def _reloaded(self, kind: str) -> Iterator[Front]:
        with tempfile.TemporaryDirectory(prefix="reload-") as text, ExitStack() as stack:
            servers = [stack.enter_context(Server(self._options(number))) for number in (0, 1)]
            ports = {one.label: server.port for one, server in zip(self._versions, servers, strict=True)}
            front = proxies.Reloaded(Path(text), kind, ports, (PATH, BODY))
            stack.callback(front.stop)
            yield Front(front.port, lambda _old, new: front.switch(new.label))

    def haproxy(self) -> Any:
        """HAProxy's reload: a new process takes over the listening socket."""
        return self._reloaded("haproxy")

    def nginx(self) -> Any:
        """Reload of nginx: new workers, and the old ones finish."""
        return self._reloaded("nginx")


def blocks(front: Front, versions: list[forests.Version], size: Size) -> list[tuple[str, Tally, list[float]]]:
    """Ask in turns without and with switches; return kind, what the client saw, and the seconds of each switch."""
    found = []
    old, new = versions
    url = f"http://127.0.0.1:{front.port}{PATH}"
    with Strict(url, BODY, in_flight=size.in_flight, fresh=size.fresh, timeout_s=120) as client:
        client.expect([old.label])
        client.wait(max(size.requests, size.in_flight), 300)
        for _ in range(size.blocks):
            client.tally = Tally()
            took = []
            since = time.perf_counter()
            for _ in range(size.switches):
                client.expect([old.label, new.label])
                began = time.perf_counter()
                front.switch(old, new)
                took.append(time.perf_counter() - began)
                client.expect([new.label])
                client.wait(size.requests, 300)
                front.after(old, new)
                old, new = new, old
            found.append(("with", client.tally, took))
            client.tally = Tally()
            until = 2 * time.perf_counter() - since
            while time.perf_counter() < until:  # as long as the block before: a short one meets no stray delay
                client.wait(size.requests, 300)
            found.append(("without", client.tally, []))
    return found


def summary(found: list[tuple[str, Tally, list[float]]], in_flight: int) -> dict[str, Any]:
    """Return counts of all blocks with switches, and the ratio of p99."""
    switched = [tally for kind, tally, _ in found if kind == "with"]
    p99 = {
        kind: statistics.median(tally.latency_s(99) for name, tally, _ in found if name == kind)
        for kind in ("without", "with")
    }
    examples = [example for tally in switched for example in tally.examples][:3]
    return {
        "in_flight": in_flight,
        "switches": sum(len(took) for _, _, took in found),
        "requests": sum(tally.requests for tally in switched),
        "failed": sum(tally.failed for _, tally, _ in found),
        "stale": sum(tally.stale for _, tally, _ in found),
        "p99_without_ms": round(p99["without"] * 1000, 2),
        "p99_with_ms": round(p99["with"] * 1000, 2),
        "p99_ratio": round(p99["with"] / p99["without"], 3) if p99["without"] else None,
        "switch_ms": round(statistics.median(took for _, _, all_took in found for took in all_took) * 1000, 2),
        "versions_seen": len({version for tally in switched for version in tally.versions}),
        "examples": examples,
        "blocks": [{"kind": kind} | tally.as_dict() for kind, tally, _ in found],
    }


def sized(way: str, *, quick: bool) -> Size:
    """Return how much is asked of a way."""
    if quick:
        return Size(50 if way == "crowd" else 6, 2, 1, 2, 60)
    return Size(CROWD, 0, 2, 10, 2_500) if way == "crowd" else Size(32, 4, 2, 10, 500)


def main() -> None:
    """Switch each way and print the table."""
    given = common.arguments(__doc__, ways={"default": ",".join(WAYS), "help": "which, comma-separated"})
    started = time.time()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results, missing = {}, {}
    with tempfile.TemporaryDirectory(prefix="switch-") as text:
        versions = forests.registered(Path(text), trees=5 if given.quick else 100)
        ways = Ways(Path(text), versions)
        for way in given.ways.split(","):
            size = sized(way, quick=given.quick)
            common.say(f"{way}: {size.in_flight + size.fresh:,} in flight, {size.blocks * size.switches} switches")
            try:
                with getattr(ways, way)() as front:
                    results[way] = summary(blocks(front, versions, size), size.in_flight + size.fresh)
            except MissingPeerError as error:
                missing[way] = str(error)
                common.say(f"  not measured: {error}")
    if not results:
        raise SystemExit("nothing was measured")
    common.save("switch", given.quick, started, results, missing=missing, cores=os.cpu_count())
    head = ["in_flight", "switches", "requests", "failed", "stale", "p99_without_ms", "p99_with_ms", "p99_ratio"]
    common.table(["", *head], [[way, *(row[name] for name in head)] for way, row in results.items()])


if __name__ == "__main__":
    main()
