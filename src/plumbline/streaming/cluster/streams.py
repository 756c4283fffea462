"""The streams that gateways keep in NATS, how they are configured, and what a region's copy says of itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.subjects import PREFIX, entrance, live, present
from plumbline.streaming.core.broker import BrokerError

STREAM = "PLUMBLINE"
PRESENCE = "PLUMBLINE_PRESENCE"
ALONE = "main"  # the region of a cluster that has only one
SEALED = f"{PREFIX}.sealed"  # nobody publishes there: a stream that listens to this only takes no more
SECOND = 1_000_000_000  # JetStream counts time in nanoseconds
META = "plumbline."
MARKS = 2  # stored messages beside the newest ones: a mark or two


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the stream keeps; a gateway's rules per channel cut shorter what is read.

    Args:
        messages: Stored blocks per channel.
        bytes: Of the whole stream; the oldest go first.
        idle_s: A channel in which nothing happens for so long, and that no gateway attends, is forgotten.
        duplicate_s: Time in which a publication's key is known again.
        replicas: Servers of the cluster that hold a copy, 1 to 5.
    """

    messages: int = 1000
    bytes: int = 1 << 30
    idle_s: float = 86400.0
    duplicate_s: float = 120.0
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Copy:
    """A region's copy of the channels' stream, as it was when it was asked.

    Args:
        region: Whose copy.
        home: Region that takes publications.
        term: Counts changes of the home region; the highest term is right.
        generation: Part of every epoch; it changes when acknowledged messages may have been lost.
        line: Name of the row of messages, drawn when the first home was made; mirrors, and homes after it, go on with
            it. A home that was deleted and made anew has another one: its messages are not the old ones' sequel.
        mirror: The copy follows the home's.
        sealed: It takes no publications, though it is no mirror.
        created: When the stream was made, text.
        last: Sequence of its newest message.
        lag: Messages it has yet to get, as it knows; None for the home itself.
        active_s: Seconds since the mirror last heard of its origin; None for the home, -1 if never.
        config: JetStream's own configuration.
    """

    region: str
    home: str
    term: int
    generation: int
    line: str
    mirror: bool
    sealed: bool
    created: str
    last: int
    lag: int | None
    active_s: float | None
    config: dict[str, Any]

    @property
    def identity(self) -> tuple[str, int, int, str, bool]:
        """What must stay the same for positions and subscriptions to stay true."""
        return (self.home, self.term, self.generation, self.created, self.sealed)

    @property
    def entrance(self) -> str:
        """Prefix of the subjects to publish to."""
        return entrance(self.home, self.term)


def copy_of(region: str, info: dict[str, Any]) -> Copy:
    """Read JetStream's stream information.

    Raises:
        BrokerError: The stream is not one of a gateway.
    """
    config = info["config"]
    meta = config.get("metadata") or {}
    try:
        home, term = meta[META + "home"], int(meta[META + "term"])
        generation = int(meta[META + "generation"])
    except (KeyError, ValueError):
        raise BrokerError("unavailable", f"the stream {config['name']} was not made by a gateway") from None
    mirror = info.get("mirror")
    active = None if mirror is None else (mirror["active"] / SECOND if mirror["active"] >= 0 else -1.0)
    return Copy(
        region=region,
        home=home,
        term=term,
        generation=generation,
        line=meta.get(META + "line", ""),
        mirror="mirror" in config,
        sealed="mirror" not in config and config.get("subjects") == [SEALED],
        created=info["created"],
        last=info["state"]["last_seq"],
        lag=None if mirror is None else mirror["lag"],
        active_s=active,
        config=config,
    )


async def look(link: Link, region: str, domain: str = "") -> Copy:
    """Ask for a region's copy.

    Raises:
        BrokerError: It is not there (`missing`), or nobody answers.
    """
    return copy_of(region, await link.api(f"STREAM.INFO.{STREAM}", domain=domain))


def home_config(region: str, term: int, generation: int, limits: Limits) -> dict[str, Any]:
    """Return the configuration of a new stream that takes publications."""
    inward = entrance(region, term)
    return {
        **_kept(region, limits),
        "subjects": [f"{inward}.>"],
        # The subject under which a message is kept is the same in all regions and terms: positions depend on it.
        "subject_transform": {"src": f"{inward}.>", "dest": f"{PREFIX}.ch.>"},
        "metadata": metadata(region, term, generation, secrets.token_hex(6)),
    }


def mirror_config(region: str, origin: Copy) -> dict[str, Any]:
    """Return the configuration of a copy that follows another region's."""
    limits = Limits(replicas=1)
    kept = {**_kept(region, limits), **{key: origin.config[key] for key in _SHARED}}
    external = {"api": f"$JS.{origin.region}.API", "deliver": ""}
    return {
        **kept,
        "mirror": {"name": STREAM, "external": external},
        "metadata": metadata(origin.region, origin.term, origin.generation, origin.line),
    }


_SHARED = ("max_msgs_per_subject", "max_bytes", "max_age", "duplicate_window")


def metadata(home: str, term: int, generation: int, line: str) -> dict[str, str]:
    """Return what a stream says of itself to gateways."""
    told = {"home": home, "term": str(term), "generation": str(generation), "line": line}
    return {META + name: value for name, value in told.items()}


def _kept(region: str, limits: Limits) -> dict[str, Any]:
    return {
        "name": STREAM,
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": limits.messages + MARKS,
        "max_bytes": limits.bytes,
        "max_age": int(limits.idle_s * SECOND),
        "duplicate_window": int(min(limits.duplicate_s, limits.idle_s) * SECOND),
        "num_replicas": limits.replicas,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "republish": {"src": f"{PREFIX}.ch.>", "dest": f"{live(region)}.>"},
    }


async def ready(link: Link, region: str, limits: Limits) -> Copy:
    """Return this region's copy of the stream; in a cluster of one region it is made if it is not there.

    Raises:
        BrokerError: It cannot be made, or a cluster of several regions was not set up yet.
    """
    try:
        return await look(link, region)
    except BrokerError as error:
        if error.code != "missing":
            raise
    if region != ALONE:
        raise BrokerError(
            "unavailable",
            f"region {region} has no stream yet; make it with 'plumb gateway region create' in the first region, or "
            "'plumb gateway region follow' in another",
        )
    return await create_home(link, region, limits)


async def create_home(link: Link, region: str, limits: Limits) -> Copy:
    """Make the stream that takes publications; if another gateway was quicker, take that one.

    Raises:
        BrokerError: JetStream refuses.
    """
    try:
        config = home_config(region, 1, 1, limits)
        return copy_of(region, await link.api(f"STREAM.CREATE.{STREAM}", config))
    except BrokerError as error:
        if "already in use" not in error.message:
            raise
    return await look(link, region)


async def presence_ready(link: Link, region: str) -> None:
    """Make the stream of who is present, in memory, if it is not there.

    Raises:
        BrokerError: JetStream refuses.
    """
    config = {
        "name": PRESENCE,
        "subjects": [f"{present(region)}.>"],
        "storage": "memory",
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "allow_msg_ttl": True,
    }
    try:
        await link.api(f"STREAM.CREATE.{PRESENCE}", config)
    except BrokerError as error:
        if "already in use" not in error.message:
            raise
