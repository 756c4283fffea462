"""A churn model as an ONNX graph, in versions that answer differently, each in a folder of a source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import encode, identity
from plumbline.deployment.core.manifest import File, Golden, Manifest
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving.options import Options

SIGNATURE = Signature(
    (
        Feature("age", "int", minimum=0, maximum=130),
        Feature("balance", nullable=True),
        Feature("visits", required=False, default=3.0),
    ),
    (Output("score", minimum=0, maximum=1),),
)


def graph(bias: float) -> bytes:
    """Return sigmoid(0.01 * age + 0.001 * balance + 0.1 * visits + bias), missing balance as 0."""
    weights = numpy_helper.from_array(np.array([[0.01], [0.001], [0.1]], dtype=np.float32), "weights")
    offset = numpy_helper.from_array(np.array([bias], dtype=np.float32), "bias")
    zero = numpy_helper.from_array(np.array(0, dtype=np.float32), "zero")
    nodes = [
        helper.make_node("IsNaN", ["x"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "x"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "churn",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
            [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
            [weights, offset, zero],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {"plumbline.columns": json.dumps(["age", "balance", "visits"])})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def expected(age: float, balance: float, visits: float, bias: float) -> float:
    """Return what the graph answers."""
    return float(1 / (1 + np.exp(-(0.01 * age + 0.001 * balance + 0.1 * visits + bias))))


def write(folder: Path, version: str, bias: float, golden_bias: float | None = None) -> str:
    """Write a version into a folder source and return its digest."""
    place = folder / version
    place.mkdir(parents=True)
    data = graph(bias)
    (place / "model.onnx").write_bytes(data)
    answer = expected(40, 100, 2, bias if golden_bias is None else golden_bias)
    manifest = Manifest(
        "churn",
        "onnx",
        "model.onnx",
        (File("model.onnx", digest_of(data), len(data)),),
        SIGNATURE,
        Golden({"age": (40,), "balance": (100.0,), "visits": (2.0,)}, {"score": (answer,)}),
    )
    (place / "manifest.json").write_bytes(encode(manifest))
    (place / "VERSION").write_text(version)
    return identity(manifest)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with versions 1.0.0 and 1.1.0 of churn, and their digests."""
    folder = tmp_path_factory.mktemp("versions")
    return folder, {"1.0.0": write(folder, "1.0.0", -1.0), "1.1.0": write(folder, "1.1.0", 1.0)}


@pytest.fixture(scope="session")
def options(versions: tuple[Path, dict[str, str]]) -> Callable[..., Options]:
    """Options of a quick server on a port of the kernel's choice."""

    def made(**more: Any) -> Options:
        given: dict[str, Any] = {"model": "churn", "folder": str(versions[0]), "ref": "1.0.0", "port": 0}
        quick = {"warmup_s": 0.0, "drain_grace_s": 0.05}
        return Options(**(given | quick | more))

    return made


@pytest.fixture(scope="session")
def write_version() -> Callable[..., str]:
    """`write`, for tests that make their own versions."""
    return write
