"""The commands of the playbook on A/B tests, executed in their order; and the page shows what they print."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/infrastructure/deployment/ab-tests.md").read_text()
EXAMPLES = ROOT / "examples/deployment"


def test_the_playbook_leads_from_a_plan_to_a_report(tmp_path: Path) -> None:
    for name in ("experiment.yml", "customers.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "110"}
    printed = ""
    for step in re.findall(r"^``` \{\.bash \.playbook\}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        words = ["bash", "-euo", "pipefail", "-c", step]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    lines = {line.rstrip() for line in printed.splitlines()}
    shown = re.findall(r"^``` text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    for block in shown:
        assert [line for line in block.splitlines() if line.rstrip() not in lines] == []
    assert json.loads((tmp_path / "report.json").read_text())["advice"] == "ship"
    assert (tmp_path / "report.html").stat().st_size > 10_000
