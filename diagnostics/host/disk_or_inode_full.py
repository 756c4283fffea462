#!/usr/bin/env -S plumb run
"""Is a file system that this service writes to out of space, or out of inodes?

Both fail with the same words, "No space left on device", and so does a disk whose space is held by files that are
deleted and still open: no folder shows them.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.storage import FileSystem, FileSystems

LOW = Threshold(0.05, "1", "node_exporter mixin, NodeFilesystemAlmostOutOfSpace: warning", name="left", low=True)
OUT = Threshold(0.03, "1", "node_exporter mixin, NodeFilesystemAlmostOutOfSpace: critical", name="left, page", low=True)
HELD = Threshold(0.1, "1", "judgement: giving it back would end the alarm", name="share held by deleted open files")
FELT = "Writes fail: uploads, logs, checkpoints and temporary files are lost, and databases stop or turn read-only"
NEXT = {
    "bytes-full": (
        "See what is large: du -xh --max-depth=2 MOUNT | sort -h | tail",
        "Truncate open logs, remove old files",
    ),
    "deleted-still-open": ("See who holds it: lsof +L1 MOUNT", "Let that process reopen its files, or restart it"),
    "inodes-full": ("See where the many files are: du --inodes -x --max-depth=2 MOUNT | sort -n | tail",),
    "reserved-for-root": ("Remove old files", "Lower the reserve: tune2fs -m 1 DEVICE (ext4)"),
}


@diagnostic
def disk_or_inode_full(disks: FileSystems) -> Finding:
    """Judge the fullest file system, and say what fills it; one that the process does not use is a warning at most."""
    if not disks.systems:
        return unknown("This process has no local file system that it may write to.")
    worst = min(disks.systems, key=lambda one: (_left(one) >= OUT.value, not one.in_use, _left(one)))
    space, inodes = (
        Measure("bytes_left", worst.bytes_left, "1", LOW),
        Measure("inodes_left", worst.inodes_left, "1", LOW),
    )
    size, held = Measure("size", worst.size_bytes, "By"), Measure("held", worst.held_bytes, "By")
    reserved = Measure("reserved", worst.free_bytes - worst.available_bytes, "By")
    measures = (space, inodes, size, Measure("available", worst.available_bytes, "By"), held, reserved)
    text = (
        f"{worst.point} ({worst.kind}, {size}) has {space} of its bytes and {inodes} of its inodes left (limit {LOW})"
    )
    if _left(worst) >= LOW.value:
        return ok(text, *measures)
    cause = _cause(worst)
    if worst.held_bytes:
        text += f"; deleted files that are still open hold {held}"
    say = critical if _left(worst) < OUT.value and worst.in_use else warning
    return say(text, *measures, cause=cause, impact=FELT, next=NEXT[cause])


def _left(one: FileSystem) -> float:
    return min(one.bytes_left, one.inodes_left)


def _cause(one: FileSystem) -> str:
    if one.inodes_left < one.bytes_left:
        return "inodes-full"
    if one.held_bytes >= HELD.value * one.size_bytes:
        return "deleted-still-open"
    return "reserved-for-root" if one.free_bytes >= LOW.value * one.size_bytes else "bytes-full"
