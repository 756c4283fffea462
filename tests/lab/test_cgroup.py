from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.lab.keeper import cgroup


def tree(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("memory pids\n" if name.endswith("subtree_control") else "")
    return root


def test_on_version_1_the_group_lies_in_the_memory_hierarchy(tmp_path: Path) -> None:
    mount = tree(tmp_path / "cgroup", "memory/memory.limit_in_bytes")
    made = cgroup.create("lab-1", 1 << 20, mount=mount, me=tmp_path / "none")
    assert made.folder == mount / "memory" / "plumbline-lab-1"
    assert made.limit.name == "memory.limit_in_bytes"
    assert made.limit.read_text() == str(1 << 20)


def test_on_version_2_the_group_lies_below_an_ancestor_that_hands_memory_out(tmp_path: Path) -> None:
    mount = tree(tmp_path / "cgroup", "user.slice/user@1/cgroup.subtree_control", "user.slice/user@1/app/cgroup.procs")
    me = tmp_path / "me"
    me.write_text("0::/user.slice/user@1/app\n")
    made = cgroup.create("lab-2", 1 << 20, mount=mount, me=me)
    assert made.folder == mount / "user.slice/user@1/plumbline-lab-2"
    assert made.limit.name == "memory.max"


def test_without_a_memory_controller_the_sentence_says_what_would_help(tmp_path: Path) -> None:
    mount = tree(tmp_path / "cgroup", "cgroup.procs")
    me = tmp_path / "me"
    me.write_text("0::/\n")
    with pytest.raises(cgroup.CgroupError, match=r"has no memory controller.*Delegate=yes"):
        cgroup.create("lab-3", 1, mount=mount, me=me)


def test_a_group_that_cannot_be_made_is_an_error_with_the_place(tmp_path: Path) -> None:
    mount = tree(tmp_path / "cgroup", "memory/memory.limit_in_bytes")
    (mount / "memory" / "plumbline-taken").mkdir()
    with pytest.raises(cgroup.CgroupError, match="memory: File exists"):
        cgroup.create("taken", 1, mount=mount, me=tmp_path / "none")


def test_a_limit_that_cannot_be_written_leaves_no_group_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = tree(tmp_path / "cgroup", "memory/memory.limit_in_bytes")
    mkdir = Path.mkdir

    def in_the_way(self: Path, *args: object, **kwargs: object) -> None:
        mkdir(self)
        if self.name.startswith(cgroup.PREFIX):
            monkeypatch.setattr(Path, "write_text", refused)

    def refused(self: Path, *args: object, **kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", in_the_way)
    with pytest.raises(cgroup.CgroupError, match="Permission denied"):
        cgroup.create("lab-4", 1, mount=mount, me=tmp_path / "none")
    assert not (mount / "memory" / "plumbline-lab-4").exists()


def test_a_group_that_does_not_go_is_an_error(tmp_path: Path) -> None:
    folder = tree(tmp_path / "stuck", "file")
    with pytest.raises(cgroup.CgroupError, match="cannot be removed"):
        cgroup.remove(folder, patience_s=0.0)


def real_group() -> cgroup.Cgroup | None:
    if sys.platform != "linux":
        return None
    try:
        return cgroup.create(f"test-{os.getpid()}", 1 << 26)
    except cgroup.CgroupError:
        return None


def test_a_real_group_holds_a_process_to_its_limit_and_is_removed_with_it() -> None:
    group = real_group()
    if group is None:
        pytest.skip("this machine gives us no memory cgroup")
    process = subprocess.Popen(["sleep", "600"])
    try:
        (group.folder / "cgroup.procs").write_text(str(process.pid))
        assert int(group.limit.read_text()) == 1 << 26
    finally:
        cgroup.remove(group.folder)
    assert process.wait() == -9
    assert not group.folder.exists()
