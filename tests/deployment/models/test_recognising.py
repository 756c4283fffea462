"""Files that are not what their name promises: pickles, pointers, pages, half and altered files."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import pytest
from logistic_files import LOGISTIC, SAMPLE, SIGNATURE, written

from plumbline.deployment.core.errors import (
    CorruptError,
    NotFoundError,
    UntrustedError,
)
from plumbline.deployment.models import load, pack_file


@pytest.mark.parametrize(
    "data",
    [
        *(pickle.dumps(LOGISTIC, protocol=protocol) for protocol in range(6)),
        gzip.compress(pickle.dumps(LOGISTIC)),
        b"cos\nsystem\n(S'true'\ntR.",
    ],
)
@pytest.mark.parametrize("name", ["model.onnx", "model.skops"])
def test_a_pickle_is_refused_by_its_first_bytes(data: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(UntrustedError, match="never loaded") as told:
        load(tmp_path, written(tmp_path, data, name), digest="")
    assert told.value.data["file"] == name


@pytest.mark.parametrize("compress", [0, ("zlib", 1), ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_what_joblib_writes_is_refused(compress: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    joblib.dump(LOGISTIC, stream, compress=compress)
    with pytest.raises(UntrustedError, match="pickle"):
        load(tmp_path, written(tmp_path, stream.getvalue()), digest="")


def test_an_archive_with_a_pickle_in_it_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    with pytest.raises(UntrustedError, match=r"data\.pkl"):
        load(tmp_path, written(tmp_path, stream.getvalue()), digest="")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345678\n"


def test_a_git_lfs_pointer_is_told_by_name_at_registration_and_at_load(packed: Any) -> None:
    manifest, folder = packed
    (folder / manifest.entry).write_bytes(POINTER)
    with pytest.raises(CorruptError, match=r"Git-LFS pointer.*12,345,678 bytes.*git lfs pull") as told:
        load(folder, manifest, digest="")
    assert told.value.data["cause"] == "lfs_pointer"
    with pytest.raises(CorruptError, match="Git-LFS pointer"):
        pack_file(folder / manifest.entry, SIGNATURE, SAMPLE, model="m")


def test_a_truncated_file_is_told_with_both_sizes(packed: Any) -> None:
    manifest, folder = packed
    path = folder / manifest.entry
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptError, match=r"truncated: 100 of [\d,]+ bytes") as told:
        load(folder, manifest, digest="")
    assert told.value.data["cause"] == "truncated"


def test_an_altered_byte_names_the_file(packed: Any) -> None:
    manifest, folder = packed
    data = bytearray((folder / manifest.entry).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / manifest.entry).write_bytes(data)
    with pytest.raises(CorruptError, match="was altered") as told:
        load(folder, manifest, digest="")
    assert told.value.data["file"] == manifest.entry


def test_a_longer_file_is_altered(packed: Any) -> None:
    manifest, folder = packed
    path = folder / manifest.entry
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptError, match="was altered"):
        load(folder, manifest, digest="")


def test_a_file_that_is_not_there_is_named(packed: Any) -> None:
    manifest, folder = packed
    (folder / manifest.entry).unlink()
    with pytest.raises(NotFoundError, match=manifest.entry):
        load(folder, manifest, digest="")
    with pytest.raises(NotFoundError, match=manifest.entry):
        pack_file(folder / manifest.entry, SIGNATURE, SAMPLE, model="m")


@pytest.mark.parametrize(
    ("data", "cause"), [(b"", "empty"), (b"<!DOCTYPE html><p>Sign in", "page"), (b"\x08\x07rubbish", "no_graph")]
)
def test_what_is_no_model_says_what_it_is(data: bytes, cause: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptError) as told:
        load(tmp_path, written(tmp_path, data), digest="")
    assert told.value.data["cause"] == cause
