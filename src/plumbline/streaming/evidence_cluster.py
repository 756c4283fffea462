"""Replication between NATS servers, and how often a cache computes, as evidence; `evidence` offers it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.streaming.probes.reached import asked, malformed, process_of

SECOND = 1_000_000_000  # JetStream counts time in nanoseconds
BURSTS_S = 1.0


@dataclass(frozen=True, slots=True)
class ReplicatedStream:
    """One stream's link to the stream that it copies."""

    stream: str = measured("", "name of the stream on this server", secrecy="internal")
    kind: str = measured("", "mirror, or source (one of several origins)")
    origin: str = measured("", "name of the stream it copies from", secrecy="internal")
    domain: str | None = measured("", "JetStream domain of the origin; None: the same", secrecy="internal")
    lag_messages: int = measured(
        "{message}", "messages it has yet to get, as it knows: stays 0 when the link to the origin is dead"
    )
    active_s: float | None = measured("s", "time since it last heard of the origin; None: it never did")
    newest_s: float | None = measured("s", "age of the newest message in the copy; None: it is empty")
    last_sequence: int = measured("{message}", "sequence of the newest message in the copy")
    error: str | None = measured("", "what the server says is wrong with the link", secrecy="internal", default=None)


@dataclass(frozen=True, slots=True)
class Replication:
    """What a nats-server says of the streams that it copies from elsewhere, and of the way there."""

    server: str = measured("", "the server's name", secrecy="internal")
    version: str = measured("", "the server's version")
    domain: str | None = measured("", "its JetStream domain", secrecy="internal")
    streams: tuple[ReplicatedStream, ...] = measured("", "mirrors and sources, the longest unheard first")
    streams_in_all: int = measured("{stream}", "streams on this server, copies or not")
    leaf_links: int = measured("{connection}", "leaf-node connections that stand")
    sync_always: bool | None = measured(
        "1", "each message is flushed to the disk before it is acknowledged; None: the server does not say"
    )
    slow_consumers: int = measured("{connection}", "connections cut since the start because they read too slowly")
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class KeyLoads:
    """Computations of one key."""

    key: str = measured("", "the key", secrecy="internal")
    loading: int = measured("{computation}", "that run now, in this process")
    most_at_once: int = measured("{computation}", "most that ever ran at once, in this process")


@dataclass(frozen=True, slots=True)
class UpstreamBurst:
    """Connections of a service to one of those it asks."""

    address: str = measured("", "the upstream: address and port", secrecy="internal")
    most: int = measured("{connection}", "most connections to it at one look")
    usual: float = measured("{connection}", "median over all looks")


@dataclass(frozen=True, slots=True)
class CacheLoads:
    """How often a cache computed what it was asked for; of any other service, how it asks its upstreams."""

    protection: bool | None = measured("1", "one computation of a key at a time; None: unknown from outside")
    hits: int | None = measured("{request}", "answered fresh from the cache", default=None)
    misses: int | None = measured("{request}", "not there, or too old", default=None)
    stale_served: int | None = measured(
        "{request}", "answered with a value past its time, while it was computed anew", default=None
    )
    loads: int | None = measured("{computation}", "computations begun", default=None)
    load_failures: int | None = measured("{computation}", "computations that failed", default=None)
    joined: int | None = measured(
        "{request}", "waited for a computation that ran already in this process", default=None
    )
    waits: int | None = measured("{look}", "looks for what another process computes", default=None)
    loading: int = measured("{computation}", "that run now", default=0)
    most_at_once: int = measured("{computation}", "most of one key that ever ran at once", default=0)
    jitter: float | None = measured(
        "1", "share by which times to live are shortened at random; None: unknown", default=None
    )
    keys: tuple[KeyLoads, ...] = measured(
        "", "keys that are or were computed, at most 50, the busiest first", default=()
    )
    upstreams: tuple[UpstreamBurst, ...] = measured(
        "", "from a pid: whom it asks, and with how many connections; the busiest first, at most 50", default=()
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def replication_from_monitor(endpoint: Endpoint) -> Replication:
    """Read a nats-server's monitoring pages `/varz`, `/jsz` and `/leafz`.

    Raises:
        UnavailableError: No HTTP address is named, nobody answers, or it is no nats-server with JetStream.
    """
    base = _base(endpoint)
    about = _page(base, "/varz")
    jetstream = _page(base, "/jsz?accounts=true&streams=true&config=true")
    try:
        details = [
            one for account in jetstream.get("account_details") or () for one in account.get("stream_detail") or ()
        ]
        found = [link for one in details for link in _links(one)]
        options = about.get("jetstream", {}).get("config") or {}
        return Replication(
            server=about["server_name"],
            version=about["version"],
            domain=options.get("domain"),
            streams=tuple(sorted(found, key=lambda link: -(float("inf") if link.active_s is None else link.active_s))),
            streams_in_all=len(details),
            leaf_links=int(_page(base, "/leafz").get("leafnodes") or 0),
            sync_always=options.get("sync_always", False) if options else None,
            slow_consumers=int(about.get("slow_consumers", 0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError("malformed", f"{base} answers, but not as a nats-server does ({error!r})") from None


def _base(endpoint: Endpoint) -> str:
    for address in (endpoint.metrics, endpoint.url):
        if address and address.startswith(("http://", "https://")):
            scheme, _, rest = address.partition("://")
            return f"{scheme}://{rest.partition('/')[0]}"
    raise UnavailableError(
        "not_configured", "the target names no monitoring address of a nats-server; give one: --target http://host:8222"
    )


def _page(base: str, path: str) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(base + path, timeout=5.0, trust_env=False)
        answer.raise_for_status()
        found = answer.json()
    except httpx.TimeoutException:
        raise UnavailableError("timeout", f"{base}{path} did not answer within 5 s") from None
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        raise UnavailableError("malformed", f"{base}{path} answers {code}: it is no nats-server's page") from None
    except httpx.HTTPError as error:
        raise UnavailableError("unreachable", f"nobody answers at {base}: {error}") from None
    except json.JSONDecodeError:
        raise UnavailableError("malformed", f"{base}{path} is no JSON, so it is no nats-server's page") from None
    if not isinstance(found, dict):
        raise UnavailableError("malformed", f"{base}{path} is no nats-server's page")
    return found


def _links(detail: dict[str, Any]) -> list[ReplicatedStream]:
    from plumbline.streaming.cluster.ages import age_s

    state = detail["state"]
    rows = [("mirror", detail["mirror"])] if detail.get("mirror") else []
    rows += [("source", source) for source in detail.get("sources") or ()]
    return [
        ReplicatedStream(
            stream=detail["name"],
            kind=kind,
            origin=row["name"],
            domain=_domain(row),
            lag_messages=int(row["lag"]),
            active_s=row["active"] / SECOND if row["active"] >= 0 else None,
            newest_s=age_s(state.get("last_ts", "")),
            last_sequence=int(state["last_seq"]),
            error=(row.get("error") or {}).get("description"),
        )
        for kind, row in rows
    ]


def _domain(row: dict[str, Any]) -> str | None:
    """Return the domain in `$JS.<domain>.API`."""
    parts = ((row.get("external") or {}).get("api") or "").split(".")
    return parts[1] if len(parts) == 3 else None


def cache_from_admin(endpoint: Endpoint) -> CacheLoads:
    """Ask a process that keeps a cache for its counters.

    Raises:
        UnavailableError: The admin socket does not answer, or not sensibly.
    """
    answer = asked(endpoint, "cache")
    known = {item.name for item in fields(CacheLoads)}
    try:
        rows = {key: answer[key] for key in answer.keys() & known}
        return CacheLoads(**{**rows, "keys": tuple(KeyLoads(**item) for item in answer["keys"])})
    except (TypeError, KeyError) as error:
        raise malformed(endpoint, error) from None


def bursts_from_pid(endpoint: Endpoint) -> CacheLoads:
    """Look for a second at the connections that a process and its children made: any service, in any language.

    Raises:
        UnavailableError: Not on Linux, no such process, it belongs to another user, or it asks nobody.
    """
    from plumbline.streaming.probes.upstreams import upstreams

    with process_of(endpoint, "another process's connections can be counted on Linux only") as pid:
        found = upstreams(pid, BURSTS_S)
    if not found:
        raise UnavailableError("not_configured", f"process {pid} asked nobody for {BURSTS_S:g} s: it has no upstream")
    return CacheLoads(None, upstreams=tuple(UpstreamBurst(one.address, one.most, one.usual) for one in found[:50]))


_READS = "a nats-server's /varz, /jsz and /leafz at {%s}"
Replication.sources = (
    Source(frozenset({"metrics"}), _READS % "metrics", replication_from_monitor),
    Source(frozenset({"url"}), _READS % "url", replication_from_monitor),
)
CacheLoads.sources = (
    Source(frozenset({"admin"}), "a cache's counters over the admin socket {admin}", cache_from_admin),
    Source(
        frozenset({"pid"}),
        "connections of process {pid} and its children to others, some 20 times: /proc/PID/fd, /proc/PID/net/tcp",
        bursts_from_pid,
        BURSTS_S,
    ),
)
