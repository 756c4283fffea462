"""The commands of the playbook on keys, executed against a real gateway with clients on it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/infrastructure/rotate-keys.md"
STEPS = re.findall(r"^``` \{\.bash \.playbook\}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a step of the page in the folder of the keys."""

    def step(text):
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PLUMBLINE_ADMIN": str(tmp_path / "admin.sock"),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    return step


def test_a_key_is_exchanged_without_dropping_anybody(tmp_path, run, process, client):
    run(STEPS[0].replace("new-", "old-"))
    gateway = process("--set", "token_keys=old-public.pem", cwd=tmp_path)
    old = run("plumb gateway token --key old-private.pem --user ada --subscribe 'scores.*'")
    assert "signed EdDSA" in old.stderr
    stays = client(gateway, additional_headers={"Authorization": f"Bearer {old.stdout.strip()}"})
    assert stays.ask(id=1, subscribe="scores.m7")["ok"]
    make, take_both, probe, take_away, reload = STEPS
    run(make)
    run(take_both)
    assert "UTC" in run(probe).stderr
    fresh = (tmp_path / "token.txt").read_text().strip()
    comes = client(gateway, additional_headers={"Authorization": f"Bearer {fresh}"})
    assert comes.ask(id=1, subscribe="scores.m7")["ok"]
    run(take_away)
    assert "new-public.pem" in run(reload).stdout
    for one in (stays, comes):
        assert one.ask(id=2, ping="still here")["ping"] == "still here"
    tokens = gateway.ask(get="stats")["tokens"]
    assert tokens == {"accepted": 2}
    for text in (old.stdout.strip(), fresh):
        assert text not in gateway.log


def test_the_page_has_every_step_the_test_runs():
    assert len(STEPS) == 5
