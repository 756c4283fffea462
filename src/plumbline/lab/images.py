"""Builds an image from a Containerfile without an engine, for labs: `FROM`, `COPY`, `RUN rm -rf` and `LABEL`.

Each `COPY` and each `RUN` is a layer, as with any builder; what is removed is hidden by whiteouts and stays below. What
comes out is an OCI layout, and it takes the place of the one before in one rename.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from plumbline.deployment.packaging.archive import Entry
from plumbline.deployment.packaging.descriptors import CONFIG
from plumbline.deployment.packaging.layout import Layer, Writer
from plumbline.lab.errors import LabError

WHITEOUT = ".wh."
TAG = "model-server"
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Step:
    """What one line adds: a layer.

    Args:
        line: The line.
        files: Files by path.
        removed: Paths that are hidden, with all that is below them.
    """

    line: str
    files: Files = field(default_factory=dict)
    removed: tuple[str, ...] = ()


@dataclass(slots=True)
class Stage:
    """What a `FROM` begins."""

    steps: list[Step] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def tree(self) -> Files:
        """Return what a container of it sees."""
        found: Files = {}
        for step in self.steps:
            for gone in step.removed:
                found = {path: data for path, data in found.items() if not _inside(path, gone)}
            found |= step.files
        return found


def build(text: str, context: Path, layout: Path, *, squash: bool = False) -> None:
    """Build the last stage of a Containerfile.

    Args:
        text: The Containerfile.
        context: Folder that `COPY` copies from.
        layout: Where the OCI layout goes; what is there is replaced.
        squash: Make one layer of all, of what a container sees.

    Raises:
        LabError: A line is none that this builder knows, or names what is not there.
    """
    stages: dict[str, Stage] = {}
    last: Stage | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = shlex.split(line, comments=True)
        try:
            if not words:
                continue
            if words[0] == "FROM":
                last = Stage(list(stages[words[1]].steps) if words[1] != "scratch" else [])
                stages[words[3] if len(words) == 4 else str(len(stages))] = last
            else:
                _step(last, words, line, stages, context)
        except (LookupError, ValueError) as error:
            raise LabError(f"line {number}, '{line}': {error}") from None
    if last is None:
        raise LabError("there is no FROM")
    _write(last, [Step("squashed", last.tree())] if squash else last.steps, layout)


def _step(stage: Stage | None, words: Sequence[str], line: str, stages: dict[str, Stage], context: Path) -> None:
    if stage is None:
        raise LookupError("a Containerfile begins with FROM")
    match words:
        case ["LABEL", label]:
            key, _, value = label.partition("=")
            stage.labels[key] = value
        case ["COPY", source, target]:
            stage.steps.append(Step(line, _copied(_read(context), source, target)))
        case ["COPY", option, source, target] if option.startswith("--from="):
            stage.steps.append(Step(line, _copied(stages[option.removeprefix("--from=")].tree(), source, target)))
        case ["RUN", "rm", "-rf", *paths]:
            stage.steps.append(Step(line, removed=tuple(path.strip("/") for path in paths)))
        case _:
            raise ValueError("this builder knows FROM, COPY SOURCE TARGET, RUN rm -rf and LABEL")


def _read(context: Path) -> Files:
    return {path.relative_to(context).as_posix(): path.read_bytes() for path in context.rglob("*") if path.is_file()}


def _copied(files: Files, source: str, target: str) -> Files:
    inside = source.strip("/").removeprefix("./")
    if inside in files:
        name = target.strip("/") + (f"/{PurePosixPath(inside).name}" if target.endswith("/") else "")
        return {name: files[inside]}
    below = "" if inside == "." else f"{inside}/"
    found = {path.removeprefix(below): data for path, data in files.items() if path.startswith(below)}
    if not found:
        raise LookupError(f"there is no {source}")
    return {(PurePosixPath(target.strip("/")) / path).as_posix(): data for path, data in found.items()}


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _entries(step: Step) -> Iterable[Entry]:
    yield from (Entry(path, data) for path, data in step.files.items())
    for gone in step.removed:
        yield Entry((PurePosixPath(gone).parent / f"{WHITEOUT}{PurePosixPath(gone).name}").as_posix(), b"")


def _write(stage: Stage, steps: Sequence[Step], layout: Path) -> None:
    layout.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.parent) as beside:
        new = Path(beside) / "new"
        new.mkdir()
        writer = Writer(new)
        layers: list[Layer] = [writer.layer(_entries(one), one.line, mtime=0, compression="gzip") for one in steps]
        config = writer.document(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": stage.labels},
                "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]},
                "history": [{"created_by": one.created_by} for one in layers],
            },
            CONFIG,
        )
        writer.manifest(config, [one.descriptor for one in layers], tag=TAG, annotations={})
        writer.finish()
        if layout.exists():
            layout.rename(Path(beside) / "old")
        new.rename(layout)


def main() -> None:
    """Build the image of a context that has its own Containerfile."""
    parser = argparse.ArgumentParser(prog="build-image", description="Build an OCI layout from a Containerfile.")
    parser.add_argument("context", type=Path)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--squash", action="store_true")
    asked = parser.parse_args()
    try:
        text = (asked.context / "Containerfile").read_text(encoding="utf-8")
        build(text, asked.context, asked.layout, squash=asked.squash)
    except (LabError, OSError) as error:
        raise SystemExit(f"build-image: {error}") from None


if __name__ == "__main__":
    main()
