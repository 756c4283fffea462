"""`--base none`: this machine's Python and the shared libraries it needs, as a layer; no shell, no package manager."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.packaging.archive import Entry
from plumbline.deployment.packaging.distributions import Distribution
from plumbline.deployment.packaging.elf import interpreter
from plumbline.deployment.packaging.libraries import Library, asked_for

USER = 65532
"""Neither root nor anybody's login; the number that distroless images use for their user `nonroot`."""

_PREFIX = "usr/local"
_LEFT_OUT = {
    "__pycache__",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_FOR_TESTS = re.compile(r"_(test|ctypes_test|xxtestfuzz|xxsubinterpreters|tkinter)\w*\.")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Python as an image gets it.

    Args:
        path: Of the program, in the image.
        entries: Its files and those of the libraries, the user's record and writable folders.
        libraries: Of this system, by name.
    """

    path: str
    entries: tuple[Entry, ...]
    libraries: tuple[Library, ...]


def collect(distributions: Iterable[Distribution]) -> Interpreter:
    """Return this machine's interpreter with all libraries that it and the distributions ask for.

    Raises:
        InvalidError: This is no Linux with glibc.
        NotFoundError: A library is not on this system; the sentence names it and who asks for it.
    """
    if sys.platform != "linux":
        raise InvalidError("--base none takes the interpreter of a Linux machine, and this is none: give --base LAYOUT")
    program = Path(sys.base_prefix, "bin", f"python{_short()}").resolve()
    files = [(f"{_PREFIX}/bin/python{_short()}", program, True), *_standard_library()]
    packaged = [(path, source) for one in distributions for path, source, _ in one.files]
    libraries = asked_for([*((path, source) for path, source, _ in files), *packaged])
    loader = interpreter(program.read_bytes())
    entries = [Entry(path, source, executable=run) for path, source, run in files]
    entries += [Entry(one.path, one.source, executable=True) for one in libraries]
    if loader is not None and loader.lstrip("/") not in {one.path for one in libraries}:
        entries.append(Entry(loader, Path(loader).resolve(), executable=True))
    return Interpreter(f"/{_PREFIX}/bin/python{_short()}", (*entries, *_system()), tuple(libraries))


def architecture() -> str:
    """Return this machine's architecture as OCI names it."""
    names = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    return names.get(platform.machine(), platform.machine())


def _short() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _standard_library() -> Iterator[tuple[str, Path, bool]]:
    folder = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    below = folder.relative_to(sys.base_prefix)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if _LEFT_OUT & set(inside.parts) or inside.parts[0].startswith("config-") or not path.is_file():
            continue
        if not _FOR_TESTS.match(path.name):
            yield str(PurePosixPath(_PREFIX, below, inside)), path, False


def _system() -> list[Entry]:
    people = f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n"
    return [
        Entry("etc/passwd", people.encode()),
        Entry("etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode()),
        Entry("tmp", mode=0o1777),
    ]
