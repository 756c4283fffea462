"""Find the catalogue from any working folder: `--catalogue`, then the checkout, then the wheel's copy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from plumbline.catalogue.ids import ProblemId

VARIABLE = "PLUMBLINE_CATALOGUE"
_FOLDERS = ("docs", "kb", "diagnostics")


class CatalogueError(Exception):
    """There is no usable catalogue at the place that was named or searched."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A folder that holds `docs/`, `kb/` and `diagnostics/`."""

    root: Path

    def diagnostics(self) -> list[tuple[ProblemId, Path]]:
        """Return all diagnostics as (id, file), in the order of their paths.

        Raises:
            CatalogueError: There is none, or a file lies at a path that is no id.
        """
        found = [(self._id_of(path), path) for path in sorted((self.root / "diagnostics").glob("*/[!_]*.py"))]
        if not found:
            raise CatalogueError(f"{self.root}/diagnostics: holds no diagnostic; an empty catalogue is never green")
        return found

    def guides(self) -> list[tuple[ProblemId, Path]]:
        """Return all troubleshooting guides as (id, file), in the order of their paths.

        Raises:
            CatalogueError: There is none, or a file lies at a path that is no id.
        """
        pages = sorted((self.root / "docs/troubleshooting").glob("*/*.md"))
        found = [(self._id_of(path), path) for path in pages if path.name != "index.md"]
        if not found:
            raise CatalogueError(f"{self.root}/docs/troubleshooting: holds no guide; an empty catalogue is never green")
        return found

    def _id_of(self, path: Path) -> ProblemId:
        try:
            return ProblemId.parse(f"{path.parent.name}.{path.stem.replace('_', '-')}")
        except ValueError as error:
            raise CatalogueError(f"{path}: {error}") from None


def locate(named: str | Path | None = None) -> Catalogue:
    """Return the catalogue: the named folder, else this checkout's, else the copy in the wheel.

    Raises:
        CatalogueError: The folder that was named lacks `docs/`, `kb/` or `diagnostics/`, or there is none at all.
    """
    chosen = named or os.environ.get(VARIABLE)
    if chosen:
        root = Path(chosen).expanduser().resolve()
        missing = [name for name in _FOLDERS if not (root / name).is_dir()]
        if missing:
            raise CatalogueError(f"{root}: is no catalogue, it lacks {', '.join(f'{name}/' for name in missing)}")
        return Catalogue(root)
    package = Path(__file__).resolve().parents[1]
    for root in (package.parents[1], package / "_catalogue"):
        if all((root / name).is_dir() for name in _FOLDERS):
            return Catalogue(root)
    raise CatalogueError("there is no catalogue beside the installed package; name one with --catalogue DIR")
