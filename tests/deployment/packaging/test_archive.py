"""The same files give the same tar, whoever wrote them, when and where."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.packaging.archive import Entry, compressed, epoch, write


def tar(*entries: Entry, mtime: int = 0) -> bytes:
    out = io.BytesIO()
    write(entries, out, mtime=mtime)
    return out.getvalue()


@given(st.dictionaries(st.text("abcé", min_size=1, max_size=120), st.binary(max_size=50), max_size=8), st.randoms())
def test_the_order_in_which_files_are_given_does_not_matter(files: dict[str, bytes], chance: random.Random) -> None:
    entries = [Entry(f"folder/{name}", data) for name, data in files.items()]
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert tar(*entries) == tar(*shuffled)
    with tarfile.open(fileobj=io.BytesIO(tar(*entries))) as archive:
        held = {one.name.removeprefix("folder/"): archive.extractfile(one) for one in archive if one.isfile()}
        assert {name: file.read() for name, file in held.items() if file} == files


def test_clock_umask_and_modes_of_the_machine_are_not_in_it(tmp_path: Path) -> None:
    written = []
    for number, umask in enumerate((0o077, 0o022)):
        before = os.umask(umask)
        path = tmp_path / str(number)
        path.write_bytes(b"same")
        os.umask(before)
        os.utime(path, (number * 1e6, number * 1e6))
        written.append(tar(Entry("a/file", path), Entry("a/run", path, executable=True)))
    assert written[0] == written[1]
    with tarfile.open(fileobj=io.BytesIO(written[0])) as archive:
        members = {one.name: one for one in archive}
    assert {name: oct(one.mode) for name, one in members.items()} == {"a": "0o755", "a/file": "0o644", "a/run": "0o755"}
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in members.values()} == {(0, 0, "", 0)}


def test_links_folders_and_owners_are_kept() -> None:
    data = tar(Entry("b", link="a"), Entry("run/mine", owner=65532, mode=0o700), mtime=7)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {one.name: one for one in archive}
    assert members["b"].issym()
    assert members["b"].linkname == "a"
    assert (members["run/mine"].uid, members["run/mine"].mode, members["run/mine"].mtime) == (65532, 0o700, 7)
    assert members["run"].uid == 0


def test_gzip_carries_neither_name_nor_time() -> None:
    out = io.BytesIO()
    with compressed(out, "gzip") as file:
        file.write(b"x" * 100)
    assert out.getvalue()[3:8] == b"\0\0\0\0\0"


@pytest.mark.parametrize("path", ["", "/", "../up", "a/../../b", "a\0b"])
def test_a_path_that_leaves_the_image_is_refused(path: str) -> None:
    with pytest.raises(InvalidError, match="no path inside an image"):
        tar(Entry(path, b""))


def test_one_path_twice_is_refused() -> None:
    with pytest.raises(InvalidError, match="'a/b' stands twice"):
        tar(Entry("a/b", b"1"), Entry("/a/b", b"2"))


def test_the_time_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert epoch() == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert epoch() == 1_700_000_000
    for wrong in ("-1", "today", "", "9" * 12):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(InvalidError, match="SOURCE_DATE_EPOCH"):
            epoch()
