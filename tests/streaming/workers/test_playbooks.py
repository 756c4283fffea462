"""The playbooks' commands, executed in their order, with clients connected: nobody is lost."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs/infrastructure"
BIN = str(Path(sys.executable).parent)
PATIENCE_S = 30


def steps(page):
    """Return the page's executable steps by name, in order."""
    text = (FOLDER / page).read_text()
    found = re.findall(r"^( *)``` \{\.bash \.step #([\w-]+)\}\n([\s\S]*?)^\1```$", text, re.MULTILINE)
    return {name: code for _, name, code in found}


class Shell:
    """Executes steps as a reader would, each in a new shell."""

    def __init__(self, page, **environment):
        self.steps = steps(page)
        self.environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "160", **environment}

    def run(self, name):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.steps[name]],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_scale_out(fleet, reader, until):
    gateway = fleet("--workers", "2")
    readers = [reader(gateway.url, 1) for _ in range(30)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    shell = Shell("scale-out.md", ADMIN=str(gateway.admin))
    assert list(shell.steps) == ["look", "scale", "balance", "automatic", "verify"]
    assert "2 workers" in shell.run("look")
    assert "3 workers" in shell.run("scale")
    assert "asked to come back elsewhere: " in shell.run("balance")
    assert shell.run("automatic") == "balance_interval_s = 60.0\n"
    until(lambda: min(row["connections"] for row in gateway.rows()) > 0)
    assert float(shell.run("verify").split()[1]) < 3
    [link] = gateway.connect(1)
    until(lambda: gateway.ask(get="stats")["connections"] == 31)
    link.send('{"id": 1, "publish": "a", "data": 7}')
    for one in readers:
        one.join(PATIENCE_S)
    assert all(one.data == [7] for one in readers)


def test_drain_a_node(front, reader, until):
    proxy, (first, second) = front
    readers = [reader(proxy.url, 1, channel=str(number)) for number in range(10)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    start = (
        f"{shlex.join(first.command)} > /dev/null 2>> {shlex.quote(str(first.log_path))} & echo $! > {first.admin}.pid"
    )
    shell = Shell(
        "drain-a-node.md",
        ADMIN_A=str(first.admin),
        PID_A=str(first.child.pid),
        LOG_A=str(first.log_path),
        HAPROXY=str(proxy.runtime),
        START_A=start,
    )
    assert list(shell.steps) == ["look", "no-new-clients", "drain", "wait", "back"]
    assert shell.run("look") == "5 clients have to move\n"
    assert shell.run("no-new-clients") == "g1 gets no new clients\n"
    shell.run("drain")
    first.child.wait(PATIENCE_S)
    told = shell.run("wait")
    assert "drained connections=5" in told
    assert "lost=0" in told
    until(lambda: second.connections == 10)
    assert shell.run("back") == "g1 takes clients again\n"
    pid = int(Path(f"{first.admin}.pid").read_text())
    try:
        until(lambda: proxy.states()["g1"] == "UP")
    finally:
        os.kill(pid, 15)


@pytest.mark.parametrize("page", ["scale-out.md", "drain-a-node.md"])
def test_every_step_has_a_name_of_its_own(page):
    text = (FOLDER / page).read_text()
    assert text.count("{.bash .step") == len(steps(page))
