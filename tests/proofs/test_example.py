"""The tutorial's example is proven by the prover itself, as the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.catalogue import Catalogue

pytestmark = pytest.mark.proof


@pytest.mark.skipif(sys.platform != "linux", reason="the lab runs on Linux first")
def test_the_example_is_proven_by_the_prover_itself(example: Catalogue) -> None:
    command = [str(Path(sys.executable).parent / "plumb"), "--catalogue", str(example.root), "prove"]
    done = subprocess.run([*command, "streaming.message-too-big"], capture_output=True, text=True, timeout=115)
    assert done.returncode == 0, done.stdout + done.stderr
