"""What a proof was proven with, as hashes: when one differs today, the proof is stale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import plumbline
from plumbline.catalogue import Catalogue, ProblemId
from plumbline.handbook.sections import split_front
from plumbline.positions import parse

NAMES = ("guide", "diagnostic", "fault", "record", "component")


def hashes(catalogue: Catalogue, problem: str | ProblemId) -> dict[str, str]:
    """Return the SHA-256 of every input that is there (an installed wheel has no fault), by name.

    `diagnostic` covers all diagnostics that the guide cites, `component` all files below the source root that the
    record's `component_paths` name; without a path there is no `component`.
    """
    name = problem if isinstance(problem, ProblemId) else ProblemId.parse(problem)
    root = catalogue.root
    guide, record, fault = root / name.guide, root / name.record, root / name.fault
    groups = {
        "guide": [guide],
        "diagnostic": [root / name.diagnostic, *_cited(root, guide)],
        "fault": [fault],
        "record": [record],
        "component": component_files(_strings(record, "component_paths")),
    }
    present = {key: sorted({path for path in paths if path.is_file()}) for key, paths in groups.items()}
    source = source_root()
    return {key: _digest(paths, source if key == "component" else root) for key, paths in present.items() if paths}


def changed(catalogue: Catalogue, problem: str, recorded: Mapping[str, str]) -> list[str]:
    """Return the names of inputs that differ from a proof record's; what is not installed is not compared."""
    today = hashes(catalogue, problem)
    return [name for name in NAMES if name in today and today[name] != recorded.get(name)]


def source_root() -> Path:
    """Return the folder that holds the `plumbline` package: `src/` in a checkout."""
    return Path(plumbline.__file__).resolve().parents[1]


def component_files(patterns: Iterable[str]) -> list[Path]:
    """Return the files below the source root that the patterns name; a folder stands for all below it."""
    root = source_root()
    found: set[Path] = set()
    for pattern in patterns:
        inside = pattern.removeprefix("src/").strip("/")
        if not inside or ".." in Path(inside).parts:
            continue
        for path in root.glob(inside):
            found.update(path.rglob("*") if path.is_dir() else [path])
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")


def _cited(root: Path, guide: Path) -> list[Path]:
    if not guide.is_file():
        return []
    front, _, _ = split_front(guide.read_text("utf-8"))
    data = parse(front or "").data
    cited = data.get("diagnostics") if isinstance(data, dict) else None
    paths: list[Path] = []
    for name in cited if isinstance(cited, list) else []:
        try:
            paths.append(root / ProblemId.parse(str(name)).diagnostic)
        except ValueError:
            continue  # the reference check tells it
    return paths


def _strings(record: Path, key: str) -> list[str]:
    data = parse(record.read_text("utf-8")).data if record.is_file() else None
    values = data.get(key) if isinstance(data, dict) else None
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _digest(paths: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()
