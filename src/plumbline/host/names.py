"""Evidence of name resolution: what a process's resolv.conf says, and how each of its name servers answers."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, Source, UnavailableError, measured
from plumbline.host import dnsprobe
from plumbline.host.namespaces import inside
from plumbline.host.resolvconf import ResolvConf, file_of, parse

PATIENCE_S = 1.5
"""An answer that takes longer counts as none; glibc waits 5 s, but who waits that long is slow in any case."""
OUTSIDE = "api.example.com"
"""Stands for any name of the outside: two dots, as most have. It is not asked for."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """One name server, asked directly."""

    address: str = measured("", "Its address", secrecy="internal")
    asked: int = measured("{question}", "Questions sent to it")
    answered: int = measured("{question}", "Those that were answered within the patience")
    refused: bool = measured("1", "It cannot be reached, and that is known at once: the next one is asked immediately")
    median_s: float | None = measured("s", "Median time of its answers; None without one")
    rcode: str = measured("", "What its last answer said: NOERROR, NXDOMAIN, SERVFAIL …")

    @property
    def silent(self) -> bool:
        """Each lookup that begins with it waits for the time-out."""
        return not self.answered and not self.refused

    @property
    def works(self) -> bool:
        """It answers, and not with SERVFAIL, after which the next one is asked."""
        return self.answered > 0 and self.rcode != "SERVFAIL"


@dataclass(frozen=True, slots=True)
class NameResolution:
    """How a process comes from a name to an address, and what that costs."""

    path: str = measured("", "The resolv.conf that was read", secrecy="internal")
    servers: tuple[NameServer, ...] = measured("", "Its name servers, in order, at most three")
    search: int = measured("{domain}", "Search domains")
    ndots: int = measured("{dot}", "Names with fewer dots are tried with the search domains first")
    timeout_s: float = measured("s", "How long a silent server is waited for")
    attempts: int = measured("1", "How often the list of servers is gone through")
    rotate: bool = measured("1", "Lookups begin with each server in turn")
    tried: int = measured("{name}", "Full names that are asked for until the right one, A and AAAA of each")
    patience_s: float = measured("s", "How long this probe waited for an answer")
    getaddrinfo_s: float | None = measured(
        "s", "A lookup of the target's host by this machine's own resolver; None: no name, or not the same resolv.conf"
    )
    sources: ClassVar[tuple[Source, ...]]

    @property
    def first(self) -> NameServer | None:
        """The first server that works."""
        return next((server for server in self.servers if server.works), None)

    @property
    def lookup_s(self) -> float:
        """What one lookup takes by glibc's rules: time-outs of silent servers, then an answer, for each name tried."""
        count = len(self.servers)
        starts = range(count) if self.rotate else range(1)
        orders = [[self.servers[(start + step) % count] for step in range(count)] for start in starts]
        return self.tried * sum(self._one_name_s(order) for order in orders) / len(orders)

    def _one_name_s(self, order: list[NameServer]) -> float:
        waited_s = 0.0
        for server in order:
            if server.answered:
                waited_s += (server.median_s or 0.0) + (1 - server.answered / server.asked) * self.timeout_s
            if server.works:
                return waited_s
            waited_s += self.timeout_s if server.silent else 0.0
        return waited_s * self.attempts


def read(endpoint: Endpoint, root: Path = Path("/")) -> NameResolution:
    """Read the resolv.conf of the target's process, or of this machine, and ask its servers from where it stands.

    Raises:
        UnavailableError: There is no such process, its files may not be read, or the file is not meant for its network.
    """
    pid = endpoint.pid if sys.platform == "linux" else None  # elsewhere all processes share one file
    path = file_of(pid, root)
    try:
        text, ours = path.read_text(encoding="utf-8", errors="replace"), _same(path, file_of(None, root))
    except FileNotFoundError:
        raise UnavailableError(
            "unreachable", f"there is no {path}: process {pid} has ended, or has no such file"
        ) from None
    except PermissionError:
        raise UnavailableError("permission", f"{path} may not be read; run as the process's user or as root") from None
    config = parse(text)
    host = _name(endpoint.url)
    if pid is None:
        return _ask(path, config, host, ours=ours)
    if ours and _elsewhere(pid):
        raise UnavailableError(
            "not_configured",
            f"process {pid} has a network namespace of its own and the host's resolv.conf, which is not meant for it",
        )
    return inside(pid, lambda: _ask(path, config, host, ours=ours))


def _ask(path: Path, config: ResolvConf, host: str | None, *, ours: bool) -> NameResolution:
    patience_s = min(PATIENCE_S, config.timeout_s)
    asked = dnsprobe.ask(config.servers, f"{host}." if host else ".", "A" if host else "NS", patience_s)
    servers = tuple(
        NameServer(one.address, dnsprobe.QUESTIONS, len(one.times_s), one.refused, one.median_s, one.rcode)
        for one in asked
    )
    return NameResolution(
        path=str(path),
        servers=servers,
        search=len(config.search),
        ndots=config.ndots,
        timeout_s=config.timeout_s,
        attempts=config.attempts,
        rotate=config.rotate,
        tried=_tried(config, host, next((one.address for one in servers if one.works), None), patience_s),
        patience_s=patience_s,
        getaddrinfo_s=_timed(host) if host and ours else None,
    )


def _tried(config: ResolvConf, host: str | None, server: str | None, patience_s: float) -> int:
    """Count the names that are asked for: really for the target's host, by the rules for any outside name else."""
    names = config.candidates(host or OUTSIDE)
    if host is None or server is None:
        return names.index(f"{host or OUTSIDE}.") + 1
    for number, name in enumerate(names, 1):
        if dnsprobe.exists(server, name, patience_s) is not False:
            return number
    return len(names)


def _timed(host: str) -> float | None:
    """Time one lookup of the system's own resolver, which cannot be interrupted: at most `PATIENCE_S`."""
    took: list[float] = []

    def look_up() -> None:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it does not exist: that took its time, too
            socket.getaddrinfo(host, None)
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=look_up, name="plumbline-getaddrinfo", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return took[0] if took else PATIENCE_S


def _name(url: str | None) -> str | None:
    """Return the host of a URL if it is a name that DNS knows about."""
    host = urlsplit(url).hostname if url else None
    if not host or host == "localhost":
        return None
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # this machine has none
        return False


def _elsewhere(pid: int) -> bool:
    """Tell whether a process has another network than this machine; this worker may stand in it already."""
    here = os.getppid()
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() != Path(f"/proc/{here}/ns/net").readlink()
    except OSError:  # not ours to see
        return False


def _of_machine(endpoint: Endpoint) -> NameResolution:
    if endpoint.pid is not None:
        raise UnavailableError("unreachable", f"the process of target {endpoint.name} is gone")
    return read(endpoint)


NameResolution.sources = (
    Source(
        frozenset({"pid"}),
        "/proc/{pid}/root/etc/resolv.conf; three UDP questions to each of its name servers, from the network of {pid}",
        read,
        PATIENCE_S,
    ),
    Source(frozenset(), "/etc/resolv.conf; three UDP questions to each of its name servers", _of_machine, PATIENCE_S),
)
