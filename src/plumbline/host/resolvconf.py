"""What a process's resolver is told: name servers, search domains and options of its /etc/resolv.conf."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_SERVERS = 3
"""glibc's MAXNS: what stands below the third `nameserver` is never asked."""
_LIMITS = {"ndots": (1, 15), "timeout": (5, 30), "attempts": (2, 5)}
"""Default and greatest value of each option, resolv.conf(5)."""
_FILE = "etc/resolv.conf"
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """A resolv.conf, as glibc reads it.

    Args:
        servers: Name servers, in the order in which they are asked.
        search: Domains that are tried behind a name.
        ndots: A name with fewer dots is tried with these first.
        timeout_s: How long one server may be silent before the next is asked, in seconds.
        attempts: How often the list is gone through.
        rotate: Each lookup begins with another server.
    """

    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int
    timeout_s: float
    attempts: int
    rotate: bool

    def candidates(self, name: str) -> list[str]:
        """Return the full names that are asked for, in order, until one exists."""
        if name.endswith("."):
            return [name]
        behind = [f"{name}.{domain.rstrip('.')}." for domain in self.search if domain.rstrip(".")]
        return [f"{name}.", *behind] if name.count(".") >= self.ndots else [*behind, f"{name}."]


def parse(text: str) -> ResolvConf:
    """Read the text of a resolv.conf; unknown lines and options are passed over, as glibc does."""
    servers: list[str] = []
    search: list[str] = []
    values = {name: default for name, (default, _) in _LIMITS.items()}
    flags: set[str] = set()
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith(("#", ";")):
            continue
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):  # the last of them counts
            search = words[1:] if words[0] == "search" else words[1:2]
        elif words[0] == "options":
            for name, _, value in (word.partition(":") for word in words[1:]):
                if name in _LIMITS and value.isdecimal():
                    values[name] = min(int(value), _LIMITS[name][1])
                flags.add(name)
    return ResolvConf(
        servers=tuple(servers[:MOST_SERVERS]) or ("127.0.0.1",),
        search=tuple(search),
        ndots=values["ndots"],
        timeout_s=float(max(1, values["timeout"])),
        attempts=max(1, values["attempts"]),
        rotate="rotate" in flags,
    )


def file_of(pid: int | None, root: Path = Path("/")) -> Path:
    """Return the path by which this program reaches the resolv.conf of a process (None: its own), links followed.

    An absolute link in a container means the container's own tree, so links are followed by hand.
    """
    top = root if pid is None else root / "proc" / str(pid) / "root"
    path = top / _FILE
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            break
        path = top / str(path.parent.relative_to(top) / path.readlink()).lstrip("/")
    return path
