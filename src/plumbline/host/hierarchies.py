"""Where a process's control groups lie: the mounted hierarchies of versions 1 and 2, and the folders in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Place:
    """One control group in a mounted hierarchy.

    Args:
        version: 1 or 2.
        point: Where the hierarchy is mounted.
        shown: Which part of it is mounted there: a container sees only its own.
        below: The group's path below the mount point, with a leading slash.
        root: Folder that stands for `/`.
    """

    version: int
    point: str
    shown: str
    below: str
    root: Path

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.root / self.point.lstrip("/") / self.below.lstrip("/")

    @property
    def path(self) -> str:
        """Its path as the kernel names it (`/system.slice/gateway.service`)."""
        return self.below if self.shown == "/" else f"{self.shown}{self.below}".rstrip("/")

    def chain(self) -> list[Place]:
        """Return this group and those around it, innermost first."""
        inner = PurePosixPath(self.below)
        return [Place(self.version, self.point, self.shown, str(one), self.root) for one in (inner, *inner.parents)]


def of_process(pid: int | str, controller: str, root: Path = Path("/")) -> Place | None:
    """Return the group of a process in the hierarchy of a controller; None when the kernel has none of it here.

    Args:
        pid: Process id, or "self".
        controller: `memory`, `cpu`, …
        root: Folder that stands for `/`; tests pass a tree of their own.

    Raises:
        OSError: The process has ended, or its files may not be read.
    """
    version, path = _membership((root / "proc" / str(pid) / "cgroup").read_text(), controller)
    mount = _mount(version, controller, root)
    return None if mount is None else Place(version, *mount, _below(path, mount[1]), root)


def by_name(name: str, controller: str, root: Path = Path("/")) -> Iterator[Place]:
    """Yield where a group of this name lies: its path, or its folder under the mount point."""
    for version in (1, 2):
        mount = _mount(version, controller, root)
        if mount is None:
            continue
        below = _below(f"/{name.removeprefix(mount[0]).strip('/')}", mount[1])
        place = Place(version, *mount, below, root)
        if place.folder.is_dir():
            yield place


def members(place: Place) -> list[int]:
    """Return the processes of a group.

    Raises:
        OSError: It may not be read, or is gone.
    """
    return [int(line) for line in (place.folder / "cgroup.procs").read_text().split()]


def number(path: Path) -> int | None:
    """Return the number in a control file; None for `max`, and where the kernel has no such file."""
    try:
        text = path.read_text().strip()
    except OSError:  # optional file, or the group vanished between two reads
        return None
    return int(text) if text.isdigit() else None


def table(path: Path) -> dict[str, int]:
    """Return a control file of `name number` lines; empty where the kernel has no such file."""
    try:
        pairs = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _membership(text: str, controller: str) -> tuple[int, str]:
    """Return (version, path) from `/proc/PID/cgroup`; version 1 wins where the controller is mounted there."""
    unified = (2, "/")
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return 1, path
        if not controllers:
            unified = (2, path)
    return unified


def _mount(version: int, controller: str, root: Path) -> tuple[str, str] | None:
    """Find a controller's hierarchy in `/proc/self/mountinfo`: where it is mounted, and which part of it."""
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.partition(" ")
        named = options.partition(" ")[2].split(",")
        if kind == "cgroup2" if version == 2 else kind == "cgroup" and controller in named:
            shown, point = left.split(" ")[3:5]
            return point, "/" if shown.startswith("/..") else shown
    return None


def _below(path: str, shown: str) -> str:
    """Return the group's path below the mount point: a container mounts only its own part of the hierarchy."""
    if path.startswith("/.."):  # outside this cgroup namespace: the mount point is all that can be seen
        return "/"
    if shown != "/" and (path == shown or path.startswith(f"{shown}/")):
        return path[len(shown) :] or "/"
    return path if shown == "/" else "/"
