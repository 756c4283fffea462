"""`deployment.corrupted-artifact`: the files of a registry and of an artefact, held against their digests."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_artefacts import ArtefactFiles, FlawedFile, StoredFiles
from plumbline.diagnosis import Status

ID = "deployment.corrupted-artifact"
KINDS = ("altered", "truncated", "empty", "missing", "lfs-pointer", "web-page", "pickle")
STORED = StoredFiles(files=3, compared=3, unread=0, size=3000, flaws=())
FOLDER = ArtefactFiles(files=2, compared=2, unread=0, size=900, flaws=())
BYTE = FlawedFile("churn 1.0.0, model.onnx", "altered", 446, 446, needed=True)


def test_files_that_are_what_was_stored_are_ok(judge):
    finding = judge(ID)(STORED, FOLDER)
    assert finding.status is Status.OK
    assert "Of 5 files 5 were compared byte by byte" in finding.sentence


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("altered", "altered-bytes"),
        ("truncated", "truncated-download"),
        ("empty", "truncated-download"),
        ("missing", "truncated-download"),
        ("lfs-pointer", "lfs-pointer"),
        ("web-page", "not-the-format"),
        ("pickle", "not-the-format"),
    ],
)
def test_each_kind_of_flaw_has_its_cause(judge, kind, cause):
    finding = judge(ID)(None, replace(FOLDER, flaws=(replace(BYTE, kind=kind),)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, cause)


def test_a_flaw_of_a_version_that_nothing_uses_is_a_warning_and_comes_after_one_in_use(judge):
    idle = replace(BYTE, name="churn 0.9.0, model.onnx", kind="truncated", size=12, needed=False)
    finding = judge(ID)(replace(STORED, flaws=(idle,)), None)
    assert (finding.status, finding.cause) == (Status.WARNING, "truncated-download")
    assert "(12 of 446 bytes) ends too early" in finding.sentence
    assert judge(ID)(replace(STORED, flaws=(idle, BYTE)), None).cause == "altered-bytes"


def test_what_was_not_compared_is_not_called_whole(judge):
    assert judge(ID)(None, None).status is Status.UNKNOWN
    assert "nothing names a digest" in judge(ID)(None, replace(FOLDER, compared=0)).sentence
    late = judge(ID)(replace(STORED, unread=1, compared=2), None)
    assert late.status is Status.UNKNOWN
    assert "there was no time" in late.sentence


flaws = st.lists(
    st.builds(
        FlawedFile,
        name=st.text(max_size=8),
        kind=st.sampled_from(KINDS),
        size=st.integers(0, 10**9),
        expected=st.none() | st.integers(0, 10**9),
        needed=st.booleans(),
    ),
    max_size=3,
).map(tuple)


@given(st.builds(ArtefactFiles, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 99), flaws))
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, files):
    finding = judge(ID)(None, files)
    assert finding.status.red == bool(files.flaws) == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
