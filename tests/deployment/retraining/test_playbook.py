"""The commands of the playbook on retraining, executed in their order; and the page shows what they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from plumbline.deployment.retraining.declaration import load

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/infrastructure/deployment/retraining.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^``` {kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_playbook_trains_once_and_then_investigates(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/deployment/world.py", tmp_path)
    (tmp_path / "retrain.yml").write_text(blocks("yaml")[0])
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed = ""
    for step in blocks(r"\{\.bash \.playbook\}"):
        words = ["bash", "-euo", "pipefail", "-c", step]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    without_figures = re.compile(r"\d+(\.\d+)?")  # the tables are made from the clock
    lines = {without_figures.sub("#", line) for line in printed.splitlines()}
    shown = [line for block in blocks("text") for line in block.splitlines()]
    assert len(shown) == 4
    assert [line for line in shown if without_figures.sub("#", line) not in lines] == []
    assert "wait: " in printed


def test_the_example_can_be_read() -> None:
    found = load(ROOT / "examples/deployment/retraining.yml")
    assert found.start[1] == "deploy"
    assert found.sources.registry == str(ROOT / "examples/deployment/build/registry")
