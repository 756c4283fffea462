"""`deployment.image-too-large`: what of an image no server needs, and the image's own limit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_image import Ballast, ImageRoom, Takes
from plumbline.diagnosis import Status

ID = "deployment.image-too-large"
MIB = 1 << 20
LEAN = ImageRoom(
    tag="model-server",
    layers=5,
    unread=0,
    stored_bytes=90 * MIB,
    unpacked_bytes=300 * MIB,
    limit_bytes=None,
    gpu=False,
    ballast=(),
    biggest=(Takes("usr/bin/python3.12", 8 * MIB),),
    distributions=(Takes("onnxruntime 1.23.2", 60 * MIB),),
    bytecode_bytes=9 * MIB,
)
GPU = Ballast("gpu", 2700 * MIB, 12, "usr/lib/python3/dist-packages/nvidia/cublas/lib/libcublasLt.so.12")
HEAVY = replace(LEAN, unpacked_bytes=3000 * MIB, ballast=(GPU, Ballast("cache", 9 * MIB, 3, "root/.cache/pip/a")))


def test_an_image_of_what_is_needed_is_ok_its_bytecode_too(judge):
    finding = judge(ID)(LEAN)
    assert finding.status is Status.OK
    assert "90.0 MiB to fetch in 5 layers" in finding.sentence


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("gpu", "gpu-libraries"),
        ("tools", "build-leftovers"),
        ("cache", "build-leftovers"),
        ("data", "training-data"),
        ("deleted", "deleted-later"),
        ("twice", "twice"),
    ],
)
def test_the_heaviest_kind_is_the_cause(judge, kind, cause):
    finding = judge(ID)(replace(HEAVY, ballast=(replace(GPU, kind=kind), *HEAVY.ballast[1:])))
    assert (finding.status, finding.cause) == (Status.WARNING, cause)
    assert "libcublasLt.so.12; 9.0 MiB caches of installers, as root/.cache/pip/a. Biggest: onnx" in finding.sentence


def test_a_tenth_or_less_is_borne_and_so_is_what_no_pull_feels(judge):
    assert judge(ID)(replace(HEAVY, ballast=(replace(GPU, size=300 * MIB),))).status is Status.OK
    assert judge(ID)(replace(HEAVY, unpacked_bytes=MIB, ballast=(replace(GPU, size=MIB - 1),))).status is Status.OK


def test_over_its_own_limit_it_is_critical_with_or_without_ballast(judge):
    limited = judge(ID)(replace(LEAN, limit_bytes=80 * MIB))
    assert (limited.status, limited.cause) == (Status.CRITICAL, "unused-packages")
    assert "80.0 MiB allowed by its label" in limited.sentence
    assert judge(ID)(replace(HEAVY, limit_bytes=80 * MIB)).cause == "gpu-libraries"
    assert judge(ID)(replace(LEAN, limit_bytes=90 * MIB)).status is Status.OK


def test_layers_that_were_not_read_are_not_called_lean(judge):
    finding = judge(ID)(replace(LEAN, unread=2))
    assert finding.status is Status.UNKNOWN
    assert "2 layers could not be listed" in finding.sentence


kinds = st.sampled_from(["gpu", "tools", "cache", "data", "deleted", "twice"])


@given(
    st.lists(st.builds(Ballast, kinds, st.integers(0, 3000 * MIB), st.just(1), st.just("a")), max_size=4).map(tuple),
    st.none() | st.integers(0, 200 * MIB),
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, ballast, limit):
    finding = judge(ID)(replace(HEAVY, ballast=ballast, limit_bytes=limit))
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
