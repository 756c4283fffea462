"""Artefacts as `pack` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from logistic_files import LOGISTIC, SAMPLE

from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.models import pack


@pytest.fixture(params=["onnx", "skops"])
def packed(request: Any, tmp_path: Path) -> tuple[Manifest, Path]:
    manifest, _ = pack(LOGISTIC, SAMPLE, model="m", folder=tmp_path, format=request.param)
    return manifest, tmp_path
