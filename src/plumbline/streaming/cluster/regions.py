"""Regions: who is home, how far the others are behind, and how home moves without a silent fork.

Each region's NATS cluster is a JetStream domain; leaf nodes join them. One region is home: its stream takes all
publications. The others hold a mirror, message for message, with the same subjects, headers and sequences: a client
that comes over from another region recovers by the same epoch and offset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.cluster.ages import age_s
from plumbline.streaming.cluster.fence import seal, strayed
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.salvage import Hidden, beyond
from plumbline.streaming.cluster.streams import (
    META,
    STREAM,
    Copy,
    Limits,
    copy_of,
    home_config,
    look,
    metadata,
    mirror_config,
)
from plumbline.streaming.cluster.subjects import PREFIX, entrance
from plumbline.streaming.core.broker import BrokerError

CONTROL = f"{PREFIX}.control"  # what is published here makes gateways look at their regions at once
LOOK_S = 2.0
STEP_S = 0.1
MOVE_S = 30.0  # for a mirror to get the rest before home moves


class RegionError(Exception):
    """A region cannot be changed as asked; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class RegionState:
    """One region as seen from where it was asked.

    Args:
        region: Its name.
        role: `home`, `mirror`, `sealed` (takes nothing more), `overtaken` (another region is home since a later term),
            `strayed` (mirrors a stream of home that was deleted; another is there), `absent` (no stream),
            `unreachable`.
        home: Region that its copy follows or is.
        term: Of its copy.
        generation: Of its copy.
        last: Sequence of its newest message.
        lag: Messages that its mirror has yet to get, as the mirror knows; it stays 0 when the link is dead.
        active_s: Seconds since its mirror last heard of home: this is what grows when the link is dead.
        newest_s: Age of its newest message in seconds; gateways at home write a canary every 5 s.
    """

    region: str
    role: str
    home: str | None = None
    term: int | None = None
    generation: int | None = None
    last: int | None = None
    lag: int | None = None
    active_s: float | None = None
    newest_s: float | None = None


async def states(link: Link, regions: Iterable[str]) -> list[RegionState]:
    """Ask every region, all at once."""
    found = await asyncio.gather(*(_look(link, region) for region in regions))
    copies = {region: copy for region, copy, _ in found if copy is not None}
    stray = {copy.region for copy in copies.values() if copy.home in copies and strayed(copy, copies[copy.home])}
    latest = max((copy.term for copy in copies.values() if copy.region not in stray), default=0)
    return [_state(region, copy, info, latest, stray=region in stray) for region, copy, info in found]


async def create(link: Link, region: str, limits: Limits) -> Copy:
    """Make a region the first home.

    Raises:
        RegionError: It has a stream already, or does not answer.
    """
    _, there, _ = await _reached(link, region)
    if there is not None:
        raise RegionError(f"region {region} has a stream already: home is {there.home} in term {there.term}")
    return await _changed(link, region, "CREATE", home_config(region, 1, 1, limits))


async def hidden(link: Link, region: str, home: str, found: list[Hidden]) -> None:
    """Add to `found` what a region holds that home never got; the region takes nothing more from now on.

    Raises:
        RegionError: Home is none, or a region does not answer.
        BrokerError: The stream cannot be read.
    """
    origin = await _home(link, home)
    _, own, _ = await _reached(link, region)
    if own is None or (own.mirror and not strayed(own, origin)):
        return
    stray = own.home == origin.region and own.line != origin.line  # a mirror, or one that this has sealed before
    if own.term >= origin.term and not stray:
        raise RegionError(f"region {region} is home itself, in term {own.term}; promote {home} first")
    await seal(link, own)  # nothing may come in while it is read
    found.extend(await beyond(link, await look(link, region, region), origin))


async def follow(link: Link, region: str, home: str, *, keep: list[Hidden] | None = None) -> Copy:
    """Make a region's copy a mirror of home; what it holds that home has not is put into `keep` first.

    Raises:
        RegionError: Home is none, a region does not answer, or messages would be lost and `keep` is None.
    """
    origin = await _home(link, home)
    _, own, _ = await _reached(link, region)
    if own is not None and own.mirror and (own.home, own.term, own.line) == (origin.home, origin.term, origin.line):
        return own
    found: list[Hidden] = []
    await hidden(link, region, home, found)
    if found and keep is None:
        raise RegionError(
            f"region {region} holds {len(found)} acknowledged messages that {home} never got; save them with "
            "--salvage FILE, or give them up with --discard"
        )
    if keep is not None:
        keep.extend(found)
    if own is not None:
        await link.api(f"STREAM.DELETE.{STREAM}", domain=region)
    await _changed(link, region, "CREATE", mirror_config(region, origin))
    await _caught_up(link, region, origin.last)
    return await look(link, region, region)


async def promote(link: Link, region: str, *, lost: bool) -> Copy:
    """Make a mirror home.

    While home answers, it is sealed first, and the mirror gets the rest: nothing is lost, positions go on. With home
    lost, what it had acknowledged and not yet sent on is not here: the generation changes, so every position from
    before is answered `recovered: false`, and what home holds is saved when it comes back (`follow`).

    Raises:
        RegionError: The region is no mirror, or home answers although it is said to be lost, or the other way round.
    """
    _, own, _ = await _reached(link, region)
    if own is None or not own.mirror:
        raise RegionError(f"region {region} is no mirror; only a mirror can become home")
    _, home, _ = await _look(link, own.home)
    if home is not None and (because := strayed(own, home)):
        if not lost:
            raise RegionError(because)
        home = None  # what answers there is another stream
    if home is None and not lost:
        raise RegionError(
            f"region {own.home} does not answer, and the mirror heard of it {own.active_s or 0:.0f} s ago; what it "
            "acknowledged since then is not here. If it is lost, say --lost: all clients then start from a snapshot"
        )
    if home is not None and lost:
        raise RegionError(f"region {own.home} answers, so it is not lost; without --lost home moves with nothing lost")
    if home is not None:
        await _handed_over(link, region, home)
        own = await look(link, region, region)
    config = {key: value for key, value in own.config.items() if key != "mirror"}
    inward = entrance(region, own.term + 1)
    config["subjects"] = [f"{inward}.>"]
    config["subject_transform"] = {"src": f"{inward}.>", "dest": f"{PREFIX}.ch.>"}
    told = metadata(region, own.term + 1, own.generation + lost, own.line)
    config["metadata"] = told | {META + "taken_at": str(own.last)}
    return await _changed(link, region, "UPDATE", config)


async def _handed_over(link: Link, region: str, home: Copy) -> None:
    """Seal home, and wait until the mirror has all of it."""
    await seal(link, home)
    final = await look(link, home.region, home.region)
    if not final.sealed:
        raise RegionError(f"region {home.region} could not be sealed; it is still home")
    try:
        await _caught_up(link, region, final.last)
    except RegionError:
        await _changed(link, home.region, "UPDATE", home.config)  # as it was
        raise


async def _caught_up(link: Link, region: str, last: int) -> None:
    until = asyncio.get_running_loop().time() + MOVE_S
    while True:
        copy = await look(link, region, region)
        if copy.last >= last:
            return
        if asyncio.get_running_loop().time() > until:
            raise RegionError(f"region {region} is still {last - copy.last} messages behind after {MOVE_S:.0f} s")
        await asyncio.sleep(STEP_S)


async def _home(link: Link, region: str) -> Copy:
    _, copy, _ = await _reached(link, region)
    if copy is None or copy.mirror or copy.sealed:
        raise RegionError(f"region {region} is not home; 'plumb gateway region show' says who is")
    return copy


async def _changed(link: Link, region: str, verb: str, config: dict[str, Any]) -> Copy:
    try:
        made = copy_of(region, await link.api(f"STREAM.{verb}.{STREAM}", config, domain=region))
    except BrokerError as error:
        raise RegionError(f"region {region}: {error.message}") from None
    await link.nats.publish(CONTROL, b"")
    await link.nats.flush()
    return made


_Looked = tuple[str, Copy | None, dict[str, Any]]


async def _look(link: Link, region: str) -> _Looked:
    try:
        async with asyncio.timeout(LOOK_S):
            info = await link.api(f"STREAM.INFO.{STREAM}", domain=region)
        return region, copy_of(region, info), info
    except BrokerError as error:
        return region, None, {"absent": error.code == "missing"}
    except TimeoutError:
        return region, None, {}


async def _reached(link: Link, region: str) -> _Looked:
    looked = await _look(link, region)
    if looked[1] is None and not looked[2].get("absent"):
        raise RegionError(f"region {region} does not answer from here: is its nats-server up, and the leaf link too?")
    return looked


def _state(region: str, copy: Copy | None, info: dict[str, Any], latest: int, *, stray: bool) -> RegionState:
    if copy is None:
        return RegionState(region, "absent" if info.get("absent") else "unreachable")
    role = "mirror" if copy.mirror else "home"
    if stray:
        role = "strayed"
    elif copy.term < latest:
        role = "overtaken"
    elif copy.sealed:
        role = "sealed"
    newest = info["state"].get("last_ts", "")
    return RegionState(
        region, role, copy.home, copy.term, copy.generation, copy.last, copy.lag, copy.active_s, age_s(newest)
    )
