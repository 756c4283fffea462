"""The tutorial, executed from its first line to its last: wheel installed, each command and file, a real browser."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from plumbline.lab.parts.ports import free_port

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/infrastructure/tutorial.md"
FILES = ROOT / "docs/infrastructure/tutorial"
PATIENCE_S = 180
pytestmark = pytest.mark.timeout(900)


def fences(kind: str) -> dict[str, str]:
    """Return the page's fences of a kind by id, in order."""
    pattern = rf"^``` {{\.?\w+ (?:\.|title=\"){re.escape(kind)}\"? #([\w-]+)}}\n([\s\S]*?)^```$"
    return dict(re.findall(pattern, PAGE.read_text(), re.MULTILINE))


STEPS, TERMINALS = fences("step"), fences("terminal")
LIVE, CONFIG = fences("live"), fences("plumbline.toml")


def test_the_page_shows_the_files_that_it_writes() -> None:
    shown = dict(re.findall(r"^``` {\.\w+ title=\"([\w.]+)\"}\n([\s\S]*?)^```$", PAGE.read_text(), re.MULTILINE))
    assert shown == {path.name: path.read_text() for path in sorted(FILES.iterdir(), reverse=True)}


def test_every_command_of_the_page_is_one_that_the_test_executes() -> None:
    assert list(STEPS) == ["install", "enter", "kill", "look", "kill-worker", "secret", "reader-token"]
    assert list(TERMINALS) == ["gateway", "publish", "serve-page", "workers", "publish-with-token"]
    assert PAGE.read_text().count("``` {.bash") == len(STEPS) + len(TERMINALS) + len(LIVE)


class Reader:
    """Somebody who follows the page, in a folder of their own and on ports that are free."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        self.ports = {"8765": str(free_port()), "8080": str(free_port())}
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR", "HOME")}
        self.environment = kept | {
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "PIP_QUIET": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self.terminals: list[subprocess.Popen[str]] = []

    def here(self, text: str) -> str:
        """Return a text of the page with this reader's ports."""
        return re.sub("|".join(self.ports), lambda found: self.ports[found[0]], text)

    def run(self, name: str, *, enter: bool = True) -> str:
        """Execute a step and return what it prints."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self._script(STEPS[name], enter)], **self._how())
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def open(self, name: str) -> subprocess.Popen[str]:
        """Execute a command in a terminal of its own; it goes on."""
        log = (self.folder / f"{name}.log").open("w")
        how = {**self._how(), "stdout": log, "stderr": subprocess.STDOUT}
        del how["capture_output"], how["check"]
        lines = TERMINALS[name].rstrip().splitlines()
        script = self._script("\n".join([*lines[:-1], f"exec {lines[-1]}"]), True)
        one = subprocess.Popen(["bash", "-euc", script], **how)
        log.close()
        self.terminals.append(one)
        return one

    def said(self, name: str, text: str) -> None:
        """Wait until a terminal shows a text."""
        log, end = self.folder / f"{name}.log", time.monotonic() + PATIENCE_S
        while text not in log.read_text():
            assert time.monotonic() < end, f"{name}: {log.read_text()}"
            time.sleep(0.05)

    def _script(self, text: str, enter: bool) -> str:
        return self.here(STEPS["enter"] + text if enter else text)

    def _how(self) -> dict[str, object]:
        common = {"cwd": self.folder, "env": self.environment, "text": True}
        return {**common, "capture_output": True, "check": False}

    def end(self) -> None:
        for one in self.terminals:
            if one.poll() is None:
                one.send_signal(signal.SIGINT)
        for one in self.terminals:
            one.wait(PATIENCE_S)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    wheels = tmp_path / "wheels"
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels)]
    built = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert built.returncode == 0, built.stderr
    one = Reader(tmp_path / "reader", wheels)
    one.folder.mkdir()
    yield one
    one.end()


def number(page: Page, name: str) -> int:
    return int(page.locator(f"#{name}").inner_text())


def more_than(page: Page, name: str, before: int) -> None:
    """Wait until a number of the dashboard has grown."""
    page.wait_for_function("([id, n]) => +document.getElementById(id).textContent > n", arg=[name, before])


def says(page: Page, text: str) -> None:
    """Wait until the dashboard's state has a text."""
    expect(page.get_by_role("status")).to_contain_text(text, timeout=PATIENCE_S * 1000)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts must not fail; that connections are refused is what the tutorial is about."""
    wrong: list[str] = []
    one = browser.new_page()
    one.set_default_timeout(PATIENCE_S * 1000)
    one.on("pageerror", lambda error: wrong.append(str(error)))
    yield one
    one.close()
    assert wrong == []


def test_the_tutorial_from_nothing_to_the_live_page(reader: Reader, page: Page, built: Path) -> None:
    began = time.monotonic()
    reader.run("install", enter=False)
    installed = time.monotonic()
    folder = reader.folder / "live-scores"
    assert {path.name for path in FILES.iterdir()} < {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        path.write_text(reader.here(path.read_text()))

    gateway = reader.open("gateway")
    reader.said("gateway", '"ready"')
    publisher = reader.open("publish")
    reader.said("publish", "the first score is out")
    reader.open("serve-page")
    reader.said("serve-page", "Serving HTTP")

    address = reader.here("http://127.0.0.1:8080/dashboard.html")
    page.goto(address)
    says(page, "Live")
    more_than(page, "count", 3)
    assert 0 < float(page.locator("#score").inner_text()) < 1
    assert (number(page, "gaps"), number(page, "breaks")) == (0, 0)
    first_scores = time.monotonic()

    reader.run("kill")
    assert gateway.wait(PATIENCE_S) == -signal.SIGKILL
    says(page, "Coming back")
    gateway = reader.open("gateway")
    seen = number(page, "count")
    more_than(page, "count", seen)
    says(page, "Live")
    assert number(page, "gaps") == 1

    gateway.send_signal(signal.SIGINT)
    gateway.wait(PATIENCE_S)
    reader.open("workers")
    reader.said("workers", '"ready"')
    more_than(page, "count", number(page, "count"))
    assert number(page, "gaps") == 2
    assert "2 workers" in reader.run("look")
    breaks = number(page, "breaks")
    while number(page, "breaks") == breaks:  # until it was the dashboard's worker
        reader.run("kill-worker")
        more_than(page, "count", number(page, "count"))
    more_than(page, "count", number(page, "count"))
    assert number(page, "gaps") == 2

    assert reader.run("secret") == "token_keys = secret.key\n"
    page.goto("about:blank")
    page.goto(address)
    says(page, "Over: the connection ended with 4002")
    with_token = reader.run("reader-token").strip()
    assert with_token.startswith(address)
    publisher.send_signal(signal.SIGINT)
    publisher.wait(PATIENCE_S)
    reader.open("publish-with-token")
    page.goto("about:blank")
    page.goto(with_token)
    more_than(page, "count", 3)

    watch(reader, page, built)
    ended = time.monotonic()
    print(f"installed {installed - began:.0f} s, first scores {first_scores - began:.0f} s, all {ended - began:.0f} s")


def watch(reader: Reader, page: Page, built: Path) -> None:
    """Look at the live page, as the last step says."""
    folder = reader.folder / "live-scores"
    (folder / "plumbline.toml").write_text(CONFIG["target"])
    command = (
        f"{LIVE['live'].strip()} --port 0 --site {shlex.quote(str(built))}"  # this test's port, and the site it has
    )
    environment = os.environ | {
        "PLUMBLINE_STATE": str(reader.folder / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    words = ["bash", "-euc", command.replace(" plumb up", " exec plumb up")]
    how = {"cwd": folder, "env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, start_new_session=True, **how) as process:
        try:
            look(page, process)
        finally:
            page.goto("about:blank")
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: all of the terminal's group
            process.wait(PATIENCE_S)


def look(page: Page, process: subprocess.Popen[str]) -> None:
    """Open the live page of a handbook that has just been started, and choose the tutorial's gateway."""
    assert process.stderr
    said: list[str] = []
    found = None
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Plumbline is on (http://\S+)", line):
            break
    assert found, "".join(said)
    end = time.monotonic() + PATIENCE_S
    with socket.socket() as probe:  # it says its address a moment before it listens there
        while probe.connect_ex(("127.0.0.1", int(found[1].rpartition(":")[2]))):
            assert time.monotonic() < end, "".join(said)
            time.sleep(0.05)
    page.goto(f"{found[1]}/infrastructure/live/")
    page.get_by_role("combobox", name="Target").select_option("tutorial")
    message = page.locator(".pl-live__message")
    expect(message).to_have_text("Live: 2 workers, a look every second.", timeout=PATIENCE_S * 1000)
