"""What a pickled model was written with, beside what its server has."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, linux_only, looking_into, measured, pid_of

SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".sav", ".pt", ".pth"})


@dataclass(frozen=True, slots=True)
class PickledModel:
    """A pickled model: read by its opcodes, never loaded."""

    file: str = measured("", "which file", secrecy="internal")
    recorded: tuple[str, ...] = measured("", "versions of scikit-learn that its estimators were written with")
    installed: str = measured("", "version of scikit-learn that the server has; empty: none")
    numpy: str = measured("", "version of NumPy that the server has; empty: none")
    numpy_core: bool = measured("1", "it names `numpy._core`, which only NumPy 2 has")
    missing: tuple[str, ...] = measured("", "packages that it would import, and that the server has not")
    own_code: tuple[str, ...] = measured("", "classes and functions of the script that wrote it: `__main__`")
    whole: bool = measured("1", "its opcodes were read to the end")
    of_server: bool = measured("1", "the packages are those of the running server; else those of this interpreter")
    sources: ClassVar[tuple[Source, ...]] = ()


def pickled_beside_process(endpoint: Endpoint) -> PickledModel:
    """Read the pickle, and the packages of the process that serves it.

    Raises:
        UnavailableError: No pickle there, no such process, or it has no packages mapped.
    """
    from plumbline.deployment.probes.environments import folders

    linux_only("another process's packages can be seen on Linux only")
    pid = pid_of(endpoint)
    with looking_into(pid):
        places = folders(pid)
    if not places:
        raise UnavailableError("unreachable", f"process {pid} has mapped nothing of any site-packages")
    return _read(endpoint, places, of_server=True)


def pickled_beside_here(endpoint: Endpoint) -> PickledModel:
    """Read the pickle, and the packages of this interpreter.

    Raises:
        UnavailableError: No pickle there.
    """
    return _read(endpoint, [Path(sysconfig.get_paths()[key]) for key in ("purelib", "platlib")], of_server=False)


def _read(endpoint: Endpoint, places: list[Path], *, of_server: bool) -> PickledModel:
    from plumbline.deployment.probes.environments import installed, there
    from plumbline.deployment.probes.pickled import read

    file = _file(Path(endpoint.artefact or ""))
    try:
        told = read(file)
    except PermissionError:
        raise UnavailableError("permission", f"{file} may not be read by this user") from None
    except (OSError, ValueError, EOFError) as error:
        raise UnavailableError("malformed", f"{file.name} is no pickle that can be read: {error}") from None
    known = installed(places)
    tops = {one.split(".")[0] for one in told.modules} - sys.stdlib_module_names - {"__main__", "__builtin__"}
    return PickledModel(
        file=file.name,
        recorded=tuple(sorted(told.versions)),
        installed=known.get("scikit-learn", ""),
        numpy=known.get("numpy", ""),
        numpy_core=any(one.startswith("numpy._core") for one in told.modules),
        missing=tuple(sorted(one for one in tops if not there(one, places, known))),
        own_code=tuple(sorted(one for one in told.modules if one == "__main__")),
        whole=told.whole,
        of_server=of_server,
    )


def _file(place: Path) -> Path:
    """Return the pickle: the file itself, or the largest one of a folder."""
    if place.is_file():
        return place
    found = [one for one in place.rglob("*") if one.suffix in SUFFIXES and one.is_file()] if place.is_dir() else []
    if not found:
        raise UnavailableError("not_configured", f"{place} is no pickle, and holds none")
    return max(found, key=lambda one: one.stat().st_size)


PickledModel.sources = (
    Source(
        frozenset({"artefact", "pid"}),
        "opcodes of {artefact}, which is not loaded; packages that process {pid} has mapped files of",
        pickled_beside_process,
    ),
    Source(
        frozenset({"artefact"}),
        "opcodes of {artefact}, which is not loaded; packages of this interpreter",
        pickled_beside_here,
    ),
)
