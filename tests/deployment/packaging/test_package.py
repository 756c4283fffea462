"""A package is there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import ConflictError, FullError, UnavailableError
from plumbline.deployment.packaging import package as packages
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.image import Options
from plumbline.deployment.packaging.layout import Writer
from plumbline.deployment.packaging.package import package


def test_everything_stands_in_one_folder(shelf: Any, options: Options, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    assert {path.name for path in packaged.folder.iterdir()} == {"oci", "sbom.cdx.json", "Containerfile"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "wheels", "base.tar"}


def test_all_of_it_is_on_the_disk_before_it_takes_its_name(
    shelf: Any, options: Options, tmp_path: Path, synced: list[str]
) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    names = {path.name for path in packaged.folder.rglob("*")}
    assert names <= {Path(path).name for path in synced}
    assert synced[-1] == str(tmp_path)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, FullError), (errno.EROFS, UnavailableError)])
def test_a_disk_that_fails_at_any_blob_leaves_nothing(
    shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    stored = Writer._placed
    for fatal in range(7):
        count = iter(range(99))

        def placed(*args: Any, count: Any = count, fatal: int = fatal) -> Any:
            if next(count) == fatal:
                raise OSError(number, os.strerror(number))
            return stored(*args)

        monkeypatch.setattr(Writer, "_placed", placed)
        with pytest.raises(kind, match=r"out: .*; nothing was stored"):
            package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
        assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing(shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packages, "_onto_disk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    assert not list(tmp_path.iterdir())


def test_what_stands_there_is_replaced_only_when_asked(shelf: Any, tmp_path: Path) -> None:
    to = tmp_path / "out"
    to.mkdir()
    package(shelf, "churn", "1.0.0", to, options=None)
    with pytest.raises(ConflictError, match="there and not empty"):
        package(shelf, "churn", "1.0.1", to, options=None)
    assert reading.image(to / "oci", "1.0.0").tag == "1.0.0"
    package(shelf, "churn", "1.0.1", to, options=None, over=True)
    assert reading.image(to / "oci", "1.0.1").tag == "1.0.1"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_old_package_stays_if_the_new_cannot_take_its_place(
    shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "out"
    package(shelf, "churn", "1.0.0", to, options=None)
    renamed = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "package":
            raise OSError(errno.EIO, "bad sector")
        return renamed(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UnavailableError, match="nothing was stored"):
        package(shelf, "churn", "1.0.1", to, options=None, over=True)
    assert reading.image(to / "oci", "1.0.0").tag == "1.0.0"


def test_the_containerfile_adds_the_same_layers_and_runs_the_same(shelf: Any, options: Options, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)
    lines = (packaged.folder / "Containerfile").read_text().splitlines()
    added = [line.split()[1] for line in lines if line.startswith("ADD")]
    layers = [one.digest for one in packaged.layers if one.tag == packaged.image_tag][-3:]
    assert [Path(one).name for one in added] == [digest.removeprefix("sha256:") for digest in layers]
    assert all((packaged.folder / one).is_file() for one in added)
    base = next(line for line in lines if line.startswith("FROM"))
    assert base.startswith("FROM docker.io/library/python:3.")
    config = reading.image(packaged.layout, packaged.image_tag).config["config"]
    words = next(line for line in lines if line.startswith("ENTRYPOINT"))
    assert all(word in words for word in config["Entrypoint"][1:])
    assert "USER 65532:65532" in lines
