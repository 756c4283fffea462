"""Packages are taken whole and unaltered, from wheels or from an environment, and nothing of the machine with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.packaging.distributions import Distribution, closure, needs
from plumbline.deployment.packaging.installed import Installed
from plumbline.deployment.packaging.wheelhouse import Wheelhouse


class Table(dict[str, Distribution]):
    """Distributions by name."""

    def find(self, name: str) -> Distribution | None:
        return self.get(name)


def held(name: str, *requires: str, number: str = "1.0") -> Distribution:
    return Distribution(name, number, requires, ((f"{name}.py", b"", False),), f"{name}-{number}.dist-info")


def table(*found: Distribution) -> Table:
    return Table({one.name: one for one in found})


def test_requirements_are_followed_extras_and_markers_too() -> None:
    packages = table(
        held("a", "b[fast]>=1", "windows; sys_platform == 'win32'"),
        held("b", "c; extra == 'fast'", "d; extra == 'slow'"),
        held("c", "a"),
    )
    assert [one.name for one in closure(packages, ["a"])] == ["a", "b", "c"]
    assert needs(packages["a"], ["b", "c"]) == ["b"]


def test_the_requirements_of_leaves_are_not_followed() -> None:
    assert [one.name for one in closure(table(held("a", "missing")), ["a"], leaves=frozenset({"a"}))] == ["a"]


def test_what_is_missing_or_too_old_is_named_with_who_wants_it() -> None:
    with pytest.raises(NotFoundError, match=r"needs b>=2 for a, but only 1.0 is there: install it or add its wheel"):
        closure(table(held("a", "b>=2"), held("b")), ["a"])
    with pytest.raises(NotFoundError, match="needs nothing for the server, but it is not there"):
        closure(table(), ["nothing"])


def test_an_installed_package_leaves_behind_what_is_the_machines(installed: Callable[..., Path]) -> None:
    found = Installed([str(installed("thing"))]).find("thing")
    assert found is not None
    assert sorted(path for path, _, _ in found.files) == ["thing-1.0.dist-info/METADATA", "thing/__init__.py"]
    assert found.licence == "MIT License"
    assert b"thing/__init__.py,sha256=" in found.record
    assert {one.path for one in found.entries()} == {
        "opt/plumbline/lib/thing/__init__.py",
        "opt/plumbline/lib/thing-1.0.dist-info/METADATA",
        "opt/plumbline/lib/thing-1.0.dist-info/RECORD",
    }


def test_an_installed_file_that_was_altered_is_refused_by_name(installed: Callable[..., Path]) -> None:
    site = installed("thing")
    (site / "thing/__init__.py").write_text("x = 2\n")
    with pytest.raises(CorruptError, match=r"thing: file thing/__init__.py is not the one that was installed"):
        Installed([str(site)]).find("thing")
    (site / "thing/__init__.py").unlink()
    with pytest.raises(CorruptError, match=r"installed file thing/__init__.py cannot be read"):
        Installed([str(site)]).find("thing")


def test_a_source_tree_may_change_under_the_image_and_is_refused(installed: Callable[..., Path]) -> None:
    site = installed("thing", direct='{"dir_info": {"editable": true}, "url": "file:///home"}')
    with pytest.raises(InvalidError, match="installed from a source tree"):
        Installed([str(site)]).find("thing")


def test_a_package_without_record_is_refused(installed: Callable[..., Path]) -> None:
    site = installed("thing")
    (site / "thing-1.0.dist-info/RECORD").unlink()
    with pytest.raises(InvalidError, match="has no RECORD"):
        Installed([str(site)]).find("thing")


def test_plumbline_itself_is_taken_whole_from_wherever_it_runs() -> None:
    own = Installed().find("plumbline")
    assert own is not None
    paths = [path for path, _, _ in own.files]
    assert "plumbline/cli/main.py" in paths
    assert not [path for path in paths if "__pycache__" in path or path.startswith("..")]
    assert Installed().find("no-such-package") is None


def test_another_system_needs_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InvalidError, match="give --wheels"):
        Installed().find("click")


def test_wheels_give_their_files_their_digest_and_no_scripts(tmp_path: Path, make: Any) -> None:
    files = {"thing-1.0.data/purelib/thing/more.py": b"1", "thing-1.0.data/scripts/run": b"#!python"}
    make.wheel(tmp_path, "thing", **files)
    found = Wheelhouse(tmp_path).find("thing")
    assert found is not None
    assert sorted(path for path, _, _ in found.files) == [
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/WHEEL",
        "thing/__init__.py",
        "thing/more.py",
    ]
    assert found.digest is not None
    assert (found.version, found.licence, Wheelhouse(tmp_path).find("other")) == ("1.0", "MIT", None)


def test_the_same_files_have_the_same_contents_wherever_they_come_from(tmp_path: Path, make: Any) -> None:
    (tmp_path / "other").mkdir()
    make.wheel(tmp_path, "thing")
    os.utime(make.wheel(tmp_path / "other", "thing"), (1, 1))
    one, other = Wheelhouse(tmp_path).find("thing"), Wheelhouse(tmp_path / "other").find("thing")
    assert one is not None
    assert other is not None
    assert one.contents == other.contents


def test_wheels_that_do_not_do_are_named(tmp_path: Path, make: Any) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        Wheelhouse(tmp_path / "none")
    make.wheel(tmp_path, "thing").rename(tmp_path / "thing-1.0-cp27-cp27m-win32.whl")
    assert Wheelhouse(tmp_path).find("thing") is None
    (tmp_path / "bad-1.0-py3-none-any.whl").write_bytes(b"PK half of it")
    with pytest.raises(CorruptError, match=r"bad-1.0-py3-none-any.whl is no whole wheel"):
        Wheelhouse(tmp_path).find("bad")
    make.wheel(tmp_path, "thing", "1.0")
    make.wheel(tmp_path, "thing", "2.0")
    with pytest.raises(InvalidError, match="two wheels of thing"):
        Wheelhouse(tmp_path)
    (tmp_path / "thing.whl").write_bytes(b"")
    (tmp_path / "thing-2.0-py3-none-any.whl").unlink()
    with pytest.raises(InvalidError, match="not named as wheels are"):
        Wheelhouse(tmp_path)
