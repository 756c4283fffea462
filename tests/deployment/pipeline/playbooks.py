"""What the playbooks' tests share: the example in a folder of its own, its pages' commands, a server and callers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^``` (\{\.bash \.(?:playbook|server)\}|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICKER = {
    "share: 0.05, hold: 1min": "share: 0.5, hold: 100ms",
    "    - {share: 0.25, hold: 5min}\n": "",
    "  - latency:\n      p99: 3.0\n      at_most: 50ms\n": "",  # this machine may be busy
    "watch:\n": "watch:\n  least: 50\n",
    "  latency: {slow: 100ms}\n": "",
}
FIGURES = re.compile(r"\d+(\.\d+)*")


def example(folder: Path) -> None:
    """Lay the example out, with short holds and a share that a test's few callers fill."""
    for name in ("data.py", "train.py", "check.py", "callers.py"):
        shutil.copy(ROOT / "examples/deployment" / name, folder)
    text = (ROOT / "examples/deployment/pipeline.yml").read_text()
    for said, instead in QUICKER.items():
        assert said in text
        text = text.replace(said, instead)
    (folder / "pipeline.yml").write_text(text.replace("/tmp/churn.sock", "churn.sock"))


@contextmanager
def beside(step: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run what a reader runs in another terminal."""
    with (folder / "beside.log").open("a") as log:
        words = ["bash", "-euo", "pipefail", "-c", f"exec {step}"]
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def wait_for(admin: Path) -> None:
    """Wait until a server answers on its admin socket."""
    until = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(OSError):
            one.connect(str(admin))
            return
        assert time.monotonic() < until, "no server answers"
        time.sleep(0.02)


def executed(pages: list[str], folder: Path) -> tuple[str, list[str]]:
    """Execute the commands of pages in order; return what they printed, and the lines that the pages show."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    environment |= {"PLUMBLINE_REGISTRY": "build/registry", "COLUMNS": "200"}
    printed, shown = "", []
    with ExitStack() as others:
        for kind, text in (block for page in pages for block in BLOCK.findall(page)):
            if kind == "text":
                shown += text.splitlines()
            elif "server" in kind:
                others.enter_context(beside(text, folder, environment))
            else:
                wait_for(folder / "churn.sock")
                words = ["bash", "-euo", "pipefail", "-c", text]
                done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
                assert done.returncode == 0, done.stdout + done.stderr
                printed += done.stdout + done.stderr
    return printed, shown


def unseen(shown: list[str], printed: str) -> list[str]:
    """Return the lines that a page shows and nothing printed; figures may differ."""
    lines = {FIGURES.sub("#", line.rstrip()) for line in printed.splitlines()}
    return [line for line in shown if FIGURES.sub("#", line.rstrip()) not in lines]
