"""A real Chromium, the built site on static hosting, and the whole handbook (`plumb up`, with its lab) on one port."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MAC = "/Applications/{0}.app/Contents/MacOS/{0}"
PATIENCE_MS = 60_000  # how long a page may take on a machine that has other work; what comes sooner is taken sooner
expect.set_options(timeout=PATIENCE_MS)
EXPECTED_NOISE = re.compile(r"Failed to load resource")  # the browser's own line for each 4xx that a test asks for


def chromium_path() -> str:
    """Return the browser's binary; a machine without one fails the tests, it does not skip them."""
    names = ["chromium", "chromium-browser", "google-chrome", MAC.format("Chromium"), MAC.format("Google Chrome")]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("the browser tests need Chromium: sudo apt-get install chromium, or brew install chromium")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))  # waits fail by themselves, and say for what


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield (one := playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS))
        one.close()


@pytest.fixture(scope="session")
def built() -> Path:
    """Both builds of the site, made now unless they are up to date; by one process, while others wait for it."""
    with (ROOT / ".plumbline/built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ["bash", "deploy/site.sh", "--both"]
        run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"deploy/site.sh --both failed:\n{run.stdout}\n{run.stderr}"
    return ROOT / "site"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve_files(folder: Path) -> Iterator[str]:
    """Serve a folder as static hosting does: files, and no API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def static_site(built: Path) -> Iterator[str]:
    yield from serve_files(built)


@pytest.fixture(scope="session")
def zensical_site(built: Path) -> Iterator[str]:
    yield from serve_files(built.with_name("site-zensical"))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where labs of these tests are noted, so that a lab of the developer's is not judged."""
    return tmp_path_factory.mktemp("labs")


@pytest.fixture(scope="session")
def handbook(built: Path, state: Path) -> Iterator[str]:
    """The address of a running `plumb up`: real site, real search, real diagnostics, real lab."""
    plumb = str(Path(sys.executable).with_name("plumb"))
    subprocess.run([plumb, "index"], cwd=ROOT, check=True, capture_output=True)  # half a second when up to date
    shutil.copytree(ROOT / ".plumbline/index", state / "index")
    command = [plumb, "up", "--port", "0", "--site", str(built)]
    environment = os.environ | {"PLUMBLINE_STATE": str(state), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stderr
        said: list[str] = []
        address = None
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"Plumbline is on (http://\S+)", line):
                address = found[1]
                break
        if address is None:
            pytest.fail("plumb up did not start:\n" + "".join(said))
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield address
        process.send_signal(signal.SIGINT)
        process.wait(60)
        drain.join()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Opens pages in contexts of their own, and fails the test on any script error or blocked resource."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def note(message: object) -> None:
        text = str(getattr(message, "text", message))
        if getattr(message, "type", "error") == "error" and not EXPECTED_NOISE.search(text):
            wrong.append(text)

    def make(**options: object) -> Page:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", note)
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()
