"""Room on file systems: what a process sees, what deleted files hold, and what is reserved for root."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import mounts, openfiles, storage
from plumbline.host.mounts import Room
from plumbline.host.storage import FileSystem, FileSystems, read

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
linux_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a tmpfs of the lab's own")


def test_only_mounts_that_keep_something_and_can_be_written_are_looked_at() -> None:
    text = (
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "22 21 0:4 / /proc rw - proc proc rw\n"
        "23 21 8:2 / /boot ro,relatime - ext4 /dev/sda2 rw\n"
        "24 21 8:3 / /usr rw,relatime - ext4 /dev/sda3 ro,errors=remount-ro\n"
        "25 21 0:50 / /mnt/far rw - nfs4 server:/x rw\n"
        "26 21 0:51 / /mnt/user rw - fuse.sshfs sshfs rw\n"
        "27 21 0:52 / /srv/two\\040words rw - tmpfs tmpfs rw,size=1k\n"
    )
    assert list(mounts._writable(text)) == [("/", "ext4"), ("/srv/two words", "tmpfs")]


def machine(root: Path, *, uid: int = 1000) -> Path:
    """A tree that stands for `/`, with process 42 whose root is that tree."""
    home = root / "proc/42"
    (home / "fd").mkdir(parents=True)
    (root / "data").mkdir()
    (home / "root").symlink_to(root)
    (home / "cwd").symlink_to(root / "data")
    (home / "comm").write_text("api\n")
    (home / "status").write_text(f"Name:\tapi\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
    (home / "mountinfo").write_text("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 8:1 / /gone rw - ext4 /dev/x rw\n")
    return home


def rooms(monkeypatch: pytest.MonkeyPatch, **room: int) -> None:
    told: dict[str, Any] = {"f_frsize": 4096, "f_bsize": 4096, "f_blocks": 1000, "f_files": 500, "f_ffree": 400}
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**(told | room)))


@linux
def test_the_reserve_is_no_room_for_others_and_room_for_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms(monkeypatch, f_bfree=50, f_bavail=0)
    home = machine(tmp_path)
    (seen,) = read(42, tmp_path).systems
    assert (seen.free_bytes, seen.available_bytes, seen.bytes_left) == (50 * 4096, 0, 0.0)
    assert (seen.point, seen.kind, seen.in_use, seen.inodes_left) == ("/", "ext4", True, 0.8)
    (home / "status").write_text("Uid:\t0\t0\t0\t0\n")
    of_root = read(42, tmp_path)
    assert of_root.root
    assert of_root.systems[0].available_bytes == 50 * 4096
    (home / "status").write_text("Name:\tapi\n")
    assert not read(42, tmp_path).root


@linux
def test_a_deleted_file_that_is_still_open_is_found_once_with_its_holder(tmp_path: Path) -> None:
    gone = tmp_path / "big.log"
    with gone.open("wb") as first, gone.open("rb") as second:
        first.write(b"x" * 100_000)
        first.flush()
        device = gone.stat().st_dev
        gone.unlink()
        found, _ = openfiles.deleted([device])
        mine = [one for one in found if one.name == str(gone)]
        assert [one.pid for one in mine] == [os.getpid()]
        assert mine[0].bytes >= 100_000
        assert mine[0].process
        assert device in openfiles.devices_in_use(os.getpid())
        assert not second.closed
    assert str(gone) not in [one.name for one in openfiles.deleted([device])[0]]


@linux
def test_deleted_files_are_looked_for_only_where_room_is_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path)
    asked: list[list[int]] = []

    def deleted(devices: list[int], _root: Path) -> tuple[list[openfiles.Deleted], bool]:
        asked.append(devices)
        return [openfiles.Deleted(7, "web", "/data/a", 4096, devices[0])], False

    monkeypatch.setattr(openfiles, "deleted", deleted)
    rooms(monkeypatch, f_bfree=500, f_bavail=500)
    assert read(42, tmp_path).systems[0].held_bytes == 0
    assert asked == []
    rooms(monkeypatch, f_bfree=500, f_bavail=500, f_ffree=1)
    seen = read(42, tmp_path)
    assert (seen.systems[0].held_bytes, seen.systems[0].held[0].process) == (4096, "web")
    assert not seen.all_processes


@linux
def test_processes_that_may_not_be_looked_into_make_the_search_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid in ("1", "2", "3"):
        (tmp_path / "proc" / pid / "fd").mkdir(parents=True)
    (tmp_path / "proc/version").mkdir()

    def files(home: Path) -> Any:
        if home.name == "1":
            raise PermissionError(13, "Permission denied")
        if home.name == "2":
            raise FileNotFoundError(2, "ended")
        yield str(home / "fd/9"), SimpleNamespace(st_nlink=0, st_dev=5, st_ino=1, st_blocks=8)

    monkeypatch.setattr(openfiles, "_files", files)
    monkeypatch.setattr(openfiles, "_MOST", 1)
    found, complete = openfiles.deleted([5], tmp_path)
    assert not complete
    assert [(one.pid, one.bytes, one.name) for one in found] == [(3, 4096, "")]  # it ended before it said its name


@linux
def test_a_process_that_is_gone_is_unreachable_and_a_closed_one_a_permission_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match="no process 42") as error:
        read(42, tmp_path)
    assert error.value.reason == "unreachable"
    machine(tmp_path)

    def refuse(*_: object) -> set[int]:
        raise PermissionError(13, "Permission denied", "/proc/42/fd")

    monkeypatch.setattr(openfiles, "devices_in_use", refuse)
    with pytest.raises(UnavailableError, match="/proc/42/fd may not be read"):
        read(42, tmp_path)


def test_another_platform_says_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as error:
        read()
    assert error.value.reason == "unsupported_platform"


@linux
def test_this_machine_and_this_process_have_a_root_file_system() -> None:
    here = FileSystems.sources[1].read(Endpoint("here"))
    own = FileSystems.sources[0].read(Endpoint("here", pid=os.getpid()))
    assert {one.point for one in own.systems} <= {one.point for one in here.systems}
    assert all(0 <= one.bytes_left <= 1 for one in here.systems)
    with pytest.raises(UnavailableError, match="is gone"):
        FileSystems.sources[1].read(Endpoint("lab", pid=1))


@linux_root
def test_a_disk_without_inodes_is_told_from_inside_of_the_process() -> None:
    from plumbline.lab import Topology, Workload
    from plumbline.lab.parts import Disk, Server
    from plumbline.lab.running import running

    parts = (Disk(bytes=8 << 20, inodes=16), Server("web", "web", config={"data": "{folder}/disk"}))
    topology = Topology(victim="web", parts=parts, workload=Workload(requests_hz=2.0, request_path="/healthz"))
    with running(topology, purpose="prove") as lab:
        outcome = lab.run('for n in $(seq 40); do : > "$DISK/$n" || break; done 2>/dev/null', timeout_s=30)
        assert outcome.code == 0
        seen = read(lab.endpoint.pid)
        (disk,) = [one for one in seen.systems if one.point == lab.environment["DISK"]]
        assert (disk.inodes_free, disk.kind) == (0, "tmpfs")
        assert disk.bytes_left > 0.9
        assert lab.environment["DISK"] not in [one.point for one in read().systems]


@given(
    size=st.integers(1, 1 << 50), left=st.floats(0, 1), inodes=st.integers(0, 1 << 30), share=st.floats(0, 1),
)  # fmt: skip
def test_what_is_left_is_a_share(size: int, left: float, inodes: int, share: float) -> None:
    free, files = int(size * left), int(inodes * share)
    one = FileSystem("/", "ext4", True, size, free, free, inodes, files, 0, ())
    assert 0 <= one.bytes_left <= 1
    assert 0 <= one.inodes_left <= 1
    assert storage._low(Room(size, free, free, inodes, files)) == (free < 0.1 * size or files < 0.1 * inodes)
