"""The page on scaling shows what its example prints."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs/infrastructure/scaling.md").read_text()


def block(name):
    [found] = re.findall(rf"^``` {{\.\w+ #{name}}}\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
    return found


def test_the_example_prints_what_the_page_shows(tmp_path):
    (tmp_path / "policy.yaml").write_text(block("example-policy"))
    done = subprocess.run(
        [sys.executable, "-c", block("example")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == block("example-output")
