"""`host.disk-or-inode-full`: bytes and inodes are two budgets, and deleted files and the reserve are no free room."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.storage import FileSystem, FileSystems

ID = "host.disk-or-inode-full"
GIB = 1 << 30
DISK = FileSystem(
    point="/srv", kind="ext4", in_use=True, size_bytes=100 * GIB, free_bytes=50 * GIB, available_bytes=45 * GIB,
    inodes=1_000_000, inodes_free=900_000, held_bytes=0, held=(),
)  # fmt: skip
FULL = replace(DISK, free_bytes=GIB, available_bytes=GIB)
NO_INODES = replace(DISK, inodes_free=10)
HELD = replace(FULL, held_bytes=40 * GIB)
RESERVE = replace(DISK, free_bytes=5 * GIB, available_bytes=0)


def disks(*systems):
    return FileSystems(subject="api (42)", root=False, all_processes=True, systems=systems)


@pytest.fixture(scope="module")
def disk(judge):
    return judge(ID)


def test_a_disk_with_room_is_ok(disk):
    finding = disk(disks(DISK))
    assert finding.status is Status.OK
    assert "45 % of its bytes and 90 % of its inodes left" in finding.sentence


@pytest.mark.parametrize(
    ("system", "cause"),
    [
        (FULL, "bytes-full"),
        (NO_INODES, "inodes-full"),
        (HELD, "deleted-still-open"),
        (RESERVE, "reserved-for-root"),
    ],
)
def test_each_cause_is_told(disk, declared_causes, system, cause):
    finding = disk(disks(DISK, system))
    assert (finding.status, finding.cause) == (Status.CRITICAL, cause)
    assert cause in declared_causes(ID)


def test_every_declared_cause_can_be_found(disk, declared_causes):
    assert {disk(disks(one)).cause for one in (FULL, NO_INODES, HELD, RESERVE)} == declared_causes(ID)


def test_a_full_disk_that_the_process_does_not_use_is_a_warning(disk):
    assert disk(disks(DISK, replace(FULL, in_use=False))).status is Status.WARNING


def test_of_two_full_disks_the_one_in_use_is_named(disk):
    unused = replace(FULL, point="/boot", in_use=False, available_bytes=0, free_bytes=0)
    assert "/srv" in disk(disks(unused, FULL)).sentence


def test_what_deleted_files_hold_is_said(disk):
    assert "deleted files that are still open hold 40.0 GiB" in disk(disks(HELD)).sentence


def test_a_file_system_that_makes_inodes_as_needed_is_judged_by_its_bytes(disk):
    assert disk(disks(replace(DISK, inodes=0, inodes_free=0))).status is Status.OK


def test_five_per_cent_is_the_limit_and_three_is_the_page(disk, load):
    module = load(ID)
    at = int(module.LOW.value * 100) * GIB
    assert disk(disks(replace(FULL, free_bytes=at, available_bytes=at))).status is Status.OK
    assert disk(disks(replace(FULL, free_bytes=at - 1, available_bytes=at - 1))).status is Status.WARNING
    page = int(module.OUT.value * 100) * GIB - 1
    assert disk(disks(replace(FULL, free_bytes=page, available_bytes=page))).status is Status.CRITICAL


def test_a_process_that_may_write_nowhere_is_not_judged(disk):
    assert disk(disks()).status is Status.UNKNOWN


systems = st.builds(
    replace,
    st.just(DISK),
    in_use=st.booleans(),
    available_bytes=st.integers(0, 100 * GIB),
    free_bytes=st.just(100 * GIB),
    inodes_free=st.integers(0, 1_000_000),
    held_bytes=st.integers(0, 100 * GIB),
)


@given(found=st.lists(systems, min_size=1, max_size=5))
def test_it_is_red_exactly_if_some_file_system_is_low(disk, load, found):
    low = load(ID).LOW.value
    red = any(min(one.bytes_left, one.inodes_left) < low for one in found)
    assert disk(disks(*found)).status.red == red
