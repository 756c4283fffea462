"""The playbook 'lose a region', its commands executed in order against servers that are killed."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs/infrastructure/lose-a-region.md"
FENCE = re.compile(r"^``` \{ \.bash \.playbook( \.returned)? \}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_command_of_the_playbook_does_what_the_page_says(nats, until, tmp_path):
    a = nats(domain="a")
    b = nats(domain="b", leaf_of=a)
    environment = {**os.environ, "A": a.url, "B": b.url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(code):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (code, done.stderr)
        return done.stdout

    def joined():
        shown = run("plumb gateway region show a b --broker $B")
        return "unreachable" not in shown and shown

    run("plumb gateway region create --region a --broker $A")
    until(joined)
    run("plumb gateway region follow --region b --of a --broker $B")
    steps = [(bool(found[1]), found[2]) for found in FENCE.finditer(PAGE.read_text(encoding="utf-8"))]
    lost, returned = ([code for after, code in steps if after is wanted] for wanted in (False, True))
    assert len(lost) == 3
    assert len(returned) == 5
    a.kill()
    shown = [run(code) for code in lost]
    assert "unreachable" in shown[0]
    assert "home in term 2" in shown[1]
    a.start()
    until(joined)
    shown = [run(code) for code in returned]
    assert "overtaken" in shown[0]
    assert "saved in hidden.jsonl" in shown[1]
    assert shown[2].startswith("0 ")
    assert "home in term 3" in shown[3]
    assert re.search(r"^ *a +home ", shown[4], re.MULTILINE)
    assert re.search(r"^ *b +mirror ", shown[4], re.MULTILINE)
