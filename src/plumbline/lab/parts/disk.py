"""A small file system of the lab's own, in its mount namespace: it can be filled without harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Disk(Part):
    """A tmpfs.

    Args:
        bytes: Its size, in bytes.
        inodes: How many files and folders it holds; None for plenty.
        name: Its folder in the lab's, and its variable.
    """

    bytes: int = 8 << 20
    inodes: int | None = None
    name: str = "disk"
    needs: ClassVar[frozenset[str]] = frozenset({"linux", "mountns"})

    def build(self, host: Builder) -> DiskPart:
        """Return it."""
        return DiskPart(host, self)


class DiskPart(Built):
    """A mounted tmpfs. Outside of the lab its folder is empty: look through `/proc/PID/root` of its processes."""

    def __init__(self, host: Builder, disk: Disk) -> None:
        self.name = disk.name
        self.path = host.folder / disk.name
        self._host = host
        self._options = f"size={disk.bytes}" + (f",nr_inodes={disk.inodes}" if disk.inodes is not None else "")

    def start(self) -> None:
        """Mount it."""
        self.path.mkdir()
        self._host.link.ask("mount", source="tmpfs", target=str(self.path), type="tmpfs", options=self._options)

    def environment(self) -> dict[str, str]:
        """Its path."""
        return {self.name.upper().replace("-", "_"): str(self.path)}
