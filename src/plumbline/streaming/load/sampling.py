"""What server, generator and kernel look like, once a second: CPU, descriptors, memory, queues."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from plumbline.streaming.probes.adminclient import AdminError, ask

PROC = Path("/proc")
PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process in one interval.

    Args:
        pid: Of the process.
        name: Of the program.
        cpu: Cores in use (1.0: one core wholly), all threads.
        busiest_thread: Cores in use by the busiest thread.
        descriptors: Open files and sockets.
        descriptors_limit: How many it may have.
        resident_bytes: Resident memory.
        waited_s: Longest time that one of its threads was ready to run and had no processor, in seconds of the
            interval; None in the first one, and where the kernel does not tell.
    """

    pid: int
    name: str
    cpu: float
    busiest_thread: float
    descriptors: int
    descriptors_limit: int
    resident_bytes: int
    waited_s: float | None = None


@dataclass(frozen=True, slots=True)
class KernelSample:
    """The machine in one interval.

    Args:
        cpu: Share of all cores that was in use, 0 to 1.
        cores: How many there are.
        tcp_pages: Pages in TCP buffers.
        tcp_pages_limit: The hard limit, third figure of `net.ipv4.tcp_mem`.
        sockets: TCP sockets in use.
        time_wait: Sockets in TIME_WAIT.
        listen_overflows: Connections that found an accept queue full, in the interval.
        listen_drops: Connection attempts dropped for that or another reason, in the interval.
        retransmits: Segments sent again, in the interval.
        load: Load average of one minute.
    """

    cpu: float
    cores: int
    tcp_pages: int
    tcp_pages_limit: int
    sockets: int
    time_wait: int
    listen_overflows: int
    listen_drops: int
    retransmits: int
    load: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of the run.

    Args:
        at: Seconds since the run's start.
        servers: The server's processes.
        generators: The generator's processes.
        kernel: The machine; None where the kernel does not tell (it is not Linux).
        gateway: What each worker of a gateway says of itself over the admin socket: its `stats`.
    """

    at: float
    servers: tuple[ProcessSample, ...] = ()
    generators: tuple[ProcessSample, ...] = ()
    kernel: KernelSample | None = None
    gateway: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Sampler:
    """Takes samples; each covers the time since the one before.

    Args:
        servers: Returns the pids of the server now: a worker may be replaced.
        generators: Pids of the generator.
        admins: Admin sockets of gateways.
        started: When the run began, in seconds of `clock`.
        clock: The time in seconds.
    """

    servers: Callable[[], Sequence[int]]
    generators: Sequence[int]
    admins: Sequence[str] = ()
    started: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _cpu: dict[int, tuple[float, dict[int, float], float]] = field(default_factory=dict)
    _waits: dict[int, dict[int, float]] = field(default_factory=dict)
    _counters: dict[str, float] = field(default_factory=dict)

    def take(self) -> Sample:
        """Return what is now."""
        return Sample(
            at=round(self.clock() - self.started, 3),
            servers=self._processes(self.servers()),
            generators=self._processes(self.generators),
            kernel=self._kernel() if sys.platform == "linux" else None,
            gateway=tuple(stats for admin in self.admins for stats in gateway(admin)),
        )

    def _processes(self, pids: Sequence[int]) -> tuple[ProcessSample, ...]:
        samples = (self._process(pid) for pid in pids)
        return tuple(sample for sample in samples if sample is not None)

    def _process(self, pid: int) -> ProcessSample | None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                threads = {one.id: one.user_time + one.system_time for one in process.threads()}
                name, resident = process.name(), process.memory_info().rss
            open_files, limit = process.num_fds(), _limit(pid)
        except (psutil.Error, OSError):  # gone, or not ours to look into
            return None
        now, used = self.clock(), times.user + times.system
        before, threads_before, then = self._cpu.get(pid, (used, threads, now))
        self._cpu[pid] = (used, threads, now)
        passed = max(now - then, 1e-9)
        busiest = max((spent - threads_before.get(one, spent) for one, spent in threads.items()), default=0.0)
        if now == then:
            used = before
        cores, of_thread, waited = round((used - before) / passed, 3), round(busiest / passed, 3), self._waited(pid)
        return ProcessSample(pid, name, cores, of_thread, open_files, limit, resident, waited)

    def _waited(self, pid: int) -> float | None:
        """Return the longest wait of one thread since the last sample."""
        now = waits(pid)
        before, self._waits[pid] = self._waits.get(pid), now
        if not now or before is None:
            return None
        return round(max(spent - before.get(thread, 0.0) for thread, spent in now.items()), 3)

    def _kernel(self) -> KernelSample:
        counters = _counters()
        change = {key: value - self._counters.get(key, value) for key, value in counters.items()}
        self._counters = counters
        sockets = sockstat((PROC / "net/sockstat").read_text(encoding="ascii"))
        busy, idle = change["busy"], change["idle"]
        return KernelSample(
            cpu=round(busy / (busy + idle), 3) if busy + idle else 0.0,
            cores=psutil.cpu_count() or 1,
            tcp_pages=sockets.get("mem", 0),
            tcp_pages_limit=int((PROC / "sys/net/ipv4/tcp_mem").read_text(encoding="ascii").split()[2]),
            sockets=sockets.get("inuse", 0),
            time_wait=sockets.get("tw", 0),
            listen_overflows=int(change.get("ListenOverflows", 0)),
            listen_drops=int(change.get("ListenDrops", 0)),
            retransmits=int(change.get("RetransSegs", 0)),
            load=psutil.getloadavg()[0],
        )


def gateway(admin: str) -> list[dict[str, Any]]:
    """Return the `stats` of a gateway, or of each worker of a supervisor; empty while it does not answer."""
    try:
        stats = ask(admin, {"get": "stats"}, timeout_s=1.0)
    except AdminError:
        return []
    paths = sorted(str(path) for path in Path(admin).parent.glob(Path(admin).name + ".worker-*"))
    found = [one for path in paths for one in gateway(path)]
    return found or [stats]


def server_pids(given: Sequence[int], admins: Sequence[str]) -> list[int]:
    """Return the pids to watch: those given with their children, and those that admin sockets name."""
    pids = list(given)
    for admin in admins:
        pids += [int(stats["pid"]) for stats in gateway(admin) if "pid" in stats]
    found = dict.fromkeys(pids)
    for pid in pids:
        try:
            found |= dict.fromkeys(child.pid for child in psutil.Process(pid).children(recursive=True))
        except psutil.Error:
            continue
    return list(found)


def sockstat(text: str) -> dict[str, int]:
    """Read the TCP line of `/proc/net/sockstat`: a figure by name."""
    for line in text.splitlines():
        if line.startswith("TCP:"):
            words = line.split()[1:]
            return {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    return {}


def waits(pid: int) -> dict[int, float]:
    """Return for each thread how long it was ready to run and had no processor so far, in seconds; {} if not known."""
    found: dict[int, float] = {}
    with contextlib.suppress(OSError):  # ended, not ours, or not Linux
        for entry in os.scandir(PROC / str(pid) / "task"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[int(entry.name)] = int(Path(entry.path, "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return found


def _counters() -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("netstat", "snmp"):
        lines = (PROC / "net" / name).read_text(encoding="ascii").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            found |= dict(zip(names.split()[1:], map(float, values.split()[1:]), strict=False))
    times = psutil.cpu_times()
    found["idle"] = times.idle + getattr(times, "iowait", 0.0)
    found["busy"] = sum(times[:4]) - times.idle + sum(getattr(times, more, 0.0) for more in ("irq", "softirq", "steal"))
    return found


def _limit(pid: int) -> int:
    path = PROC / str(pid) / "limits"
    if not path.exists():
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[3])
    return 0
