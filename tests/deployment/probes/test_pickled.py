"""Pickles are read by their opcodes, whatever packs them, and never loaded; packages are found beside a process."""

import bz2
import gzip
import lzma
import os
import pickle
import zipfile
import zlib
from collections import OrderedDict
from decimal import Decimal
from pathlib import Path

import joblib
import numpy as np
import pytest

from plumbline.deployment.evidence_pickles import pickled_beside_here, pickled_beside_process
from plumbline.deployment.probes.environments import folders, installed, there
from plumbline.deployment.probes.pickled import read
from plumbline.evidence import Endpoint, UnavailableError

SAID = {"_sklearn_version": "1.3.2", "kind": OrderedDict(a=Decimal(1)), "again": OrderedDict(b=Decimal(2))}


class Touches:
    """Unpickling it would make a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (os.mkdir, (str(self.file),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_versions_and_modules_are_read_at_every_protocol(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "m.pkl"
    file.write_bytes(pickle.dumps(SAID, protocol))
    told = read(file)
    assert {"collections", "decimal"} <= told.modules
    assert told.versions == {"1.3.2"}
    assert told.whole


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_what_is_packed_is_unpacked(tmp_path: Path, pack) -> None:
    (tmp_path / "m.pkl").write_bytes(pack(pickle.dumps(SAID)))
    assert read(tmp_path / "m.pkl").versions == {"1.3.2"}


def test_an_archive_of_torch_is_read_and_one_without_a_pickle_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(SAID))
    assert "decimal" in read(tmp_path / "m.pt").modules
    with zipfile.ZipFile(tmp_path / "n.pt", "w") as archive:
        archive.writestr("m/data", b"")
    with pytest.raises(ValueError, match="without a pickle"):
        read(tmp_path / "n.pt")


def test_arrays_that_joblib_writes_between_opcodes_do_not_hide_the_version(tmp_path: Path) -> None:
    joblib.dump({"w": np.arange(40_000.0), "_sklearn_version": "1.3.2"}, tmp_path / "m.joblib")
    told = read(tmp_path / "m.joblib")
    assert told.versions == {"1.3.2"}
    assert "joblib.numpy_pickle" in told.modules
    assert not told.whole


def test_nothing_is_executed(tmp_path: Path) -> None:
    file = tmp_path / "m.pkl"
    file.write_bytes(pickle.dumps(Touches(tmp_path / "touched")))
    assert read(file).modules == {"posix"}
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x08\x0aonnx", b"c\xff"])
def test_what_is_no_pickle_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(ValueError, match="pickle"):
        read(tmp_path / "m.pkl")
    with pytest.raises(UnavailableError, match="no pickle that can be read"):
        pickled_beside_here(Endpoint("m", artefact=str(tmp_path / "m.pkl")))


def test_a_process_s_packages_are_those_that_it_has_mapped_libraries_of(tmp_path: Path) -> None:
    site = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    (site / "scikit_learn-1.9.1.dist-info").mkdir(parents=True)
    (site / "lightgbm").mkdir()
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "maps").write_text(f"7f00-7f10 r-xp 00000000 fd:00 1  {site}/sklearn/_a.so\n")
    assert folders(7, tmp_path) == [site]
    known = installed([site])
    assert known == {"scikit-learn": "1.9.1"}
    assert there("sklearn", [site], known)
    assert there("lightgbm", [site], known)
    assert not there("xgboost", [site], known)


def test_the_evidence_names_what_is_missing_and_the_largest_pickle_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "small.pkl").write_bytes(pickle.dumps(1))
    content = pickle.dumps(SAID, 0).replace(b"cdecimal", b"cxgboost")
    (tmp_path / "large.pkl").write_bytes(content)
    told = pickled_beside_process(Endpoint("m", artefact=str(tmp_path), pid=os.getpid()))
    assert (told.file, told.recorded, told.missing, told.of_server) == ("large.pkl", ("1.3.2",), ("xgboost",), True)
    assert told.installed
    assert told.numpy == np.__version__


def test_a_folder_without_a_pickle_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="holds none"):
        pickled_beside_here(Endpoint("m", artefact=str(tmp_path)))
