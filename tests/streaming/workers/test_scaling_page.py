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


def test_the_log_events_of_the_page_are_those_of_the_workers():
    folder = Path(__file__).parents[3] / "src/plumbline/streaming/workers"
    source = "\n".join(path.read_text() for path in folder.glob("*.py"))
    events = set(re.findall(r'log\.event\(\s*logging\.\w+,\s*"([a-z ]+)"', source)) - {
        "reload failed"
    }  # the gateway's own
    section = PAGE.split("### Log lines of the supervisor")[1].split("\n## ")[0]
    told = {
        name for row in re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }
    assert told == events
