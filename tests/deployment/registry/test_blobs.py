"""Files by digest: whole or not there, checked on the way in and on the way out."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    FullError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from plumbline.deployment.registry import blobs as blobs_module
from plumbline.deployment.registry.blobs import LEFT_OVER_S, Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def wrote(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=1, max_size=64))
def test_what_was_put_is_there_under_the_digest_of_its_bytes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("blobs")
    blobs = Blobs(folder)
    blob = blobs.put(wrote(folder / "source", content))
    assert blob.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert blobs.path(blob.digest).read_bytes() == content
    assert blobs.verify(blob.digest) == blob.size == len(content)


def test_a_file_larger_than_a_piece_is_read_in_pieces(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(blobs_module, "PIECE", 3)
    blob = blobs.put(wrote(tmp_path / "source", b"0123456789"))
    assert (blob.size, blobs.verify(blob.digest)) == (10, 10)


def test_the_same_bytes_are_kept_once(blobs, tmp_path):
    assert blobs.put(wrote(tmp_path / "a", b"same")).fresh
    assert not blobs.put(wrote(tmp_path / "b", b"same")).fresh
    assert len(list(blobs.all())) == 1


def test_putting_a_damaged_file_again_heals_it(blobs, tmp_path):
    source = wrote(tmp_path / "source", b"whole")
    blob = blobs.put(source)
    path = blobs.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"wh")
    with pytest.raises(CorruptError, match="its bytes have digest"):
        blobs.verify(blob.digest)
    blobs.put(source)
    assert blobs.verify(blob.digest) == 5


def test_a_truncated_file_is_told_from_a_different_one(blobs, tmp_path):
    expect = blobs.put(wrote(tmp_path / "whole", b"0123456789")).digest
    with pytest.raises(CorruptError, match="is truncated: 4 of 10 bytes; get it again"):
        blobs.put(wrote(tmp_path / "cut", b"0123"), expect=expect, size=10)
    with pytest.raises(CorruptError, match=r"has 10 bytes with digest .* was expected"):
        blobs.put(wrote(tmp_path / "other", b"9876543210"), expect=expect, size=10)
    assert list((blobs.folder / "tmp").iterdir()) == []


def test_a_git_lfs_pointer_is_no_model(blobs, tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    with pytest.raises(InvalidError, match=r"is a Git LFS pointer.*run 'git lfs pull'"):
        blobs.put(wrote(tmp_path / "model.onnx", pointer))


def test_an_empty_or_missing_file_is_no_model(blobs, tmp_path):
    with pytest.raises(InvalidError, match="is empty"):
        blobs.put(wrote(tmp_path / "model.onnx", b""))
    with pytest.raises(InvalidError, match="No such file"):
        blobs.put(tmp_path / "nothing")
    assert list(blobs.all()) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, FullError), (errno.EDQUOT, FullError), (errno.EROFS, UnavailableError)]
)
def test_a_disk_that_takes_no_more_leaves_nothing_behind(blobs, tmp_path, monkeypatch, number, kind):
    def failing(_fd: int) -> None:
        raise OSError(number, os.strerror(number))

    source = wrote(tmp_path / "source", b"bytes")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(kind, match="nothing was stored") as told:
            blobs.put(source)
    assert isinstance(told.value, DeploymentError)
    assert list(blobs.all()) == list((blobs.folder / "tmp").iterdir()) == []
    digest = blobs.put(source).digest
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(kind):
        blobs.copy(digest, tmp_path / "copy")


def test_what_is_not_there_is_told(blobs):
    with pytest.raises(NotFoundError, match="it was never put there, or was deleted by hand"):
        blobs.verify("sha256:" + "0" * 64)
    with pytest.raises(InvalidError, match="is no digest"):
        blobs.path("sha256:../../etc/passwd")
    assert not blobs.has("sha256:" + "0" * 64)
    assert blobs.delete("sha256:" + "0" * 64) == 0
    assert blobs.age_s("sha256:" + "0" * 64, 1e12) == 0


def test_a_copy_of_damaged_bytes_is_refused(blobs, tmp_path):
    blob = blobs.put(wrote(tmp_path / "source", b"whole"))
    path = blobs.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"other")
    with pytest.raises(CorruptError):
        blobs.copy(blob.digest, tmp_path / "copy")


def test_what_crashed_writers_left_is_swept_when_it_is_old(blobs, tmp_path):
    blobs.put(wrote(tmp_path / "source", b"bytes"))
    left = wrote(blobs.folder / "tmp" / "left", b"half")
    assert blobs.sweep() == 0
    assert blobs.sweep(left.stat().st_mtime + LEFT_OVER_S + 1) == 1
    assert not left.exists()
