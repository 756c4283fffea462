"""What holds for all tests."""

import re
import signal
import stat
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONGEST = (
    "streaming/cluster/test_region_failover.py",
    "lab/test_prove.py",
    "streaming/load/test_runs.py",
    "lab/test_practice.py",
    "streaming/workers/test_supervisor.py",
    "deployment/benchmarks/test_scripts.py",
    "search/test_gate.py",
    "packaging/test_wheel.py",
    "lab/test_parts.py",
    "search/test_model.py",
    "lab/test_prove_command.py",
    "streaming/load/test_benchmarks.py",
    "browser/tutorial/test_tutorial.py",
    "browser/pages/test_pages.py",
)
"""Files of half a minute and more, the longest first: begun last, one would keep a single worker busy at the end."""
FOLDERS = {"proof": "proofs", "browser": "browser"}
"""Where tests with these markers are: `deploy/test.sh` runs each folder by itself."""
TITLE = re.compile(r'title="([^"]+)"')


def pytest_configure():
    # A shell's background job ignores Ctrl-C, and so would every process that the tests start to send it one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Put the longest files first, for workers that take whole files in turn (`--no-loadscope-reorder`)."""
    for item in items:
        for marker, folder in FOLDERS.items():
            if item.get_closest_marker(marker) and not item.path.is_relative_to(HERE / folder):
                raise pytest.UsageError(f"{item.nodeid} is marked {marker}: only in tests/{folder} would it be run")
    place = {HERE / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture
def example(tmp_path):
    """The whole problem that the tutorial on writing guides shows, its files taken from the page."""
    from plumbline.catalogue import Catalogue
    from plumbline.handbook.fences import fences

    text = (HERE.parent / "docs/reference/writing-guides.md").read_text("utf-8")
    found = [(title[1], fence.code) for fence in fences(text) if (title := TITLE.search(fence.info))]
    assert [path for path, _ in found] == [
        "kb/streaming/message-too-big/problem.yml",
        "diagnostics/streaming/message_too_big.py",
        "docs/troubleshooting/streaming/message-too-big.md",
        "kb/streaming/message-too-big/fault.py",
    ]
    for name, code in found:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")
        if name.startswith("diagnostics"):
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Catalogue(tmp_path)


def pytest_terminal_summary(terminalreporter):
    """Say why a test needed its second try: who sees the same sentence in several runs looks for the cause."""
    for report in terminalreporter.getreports("rerun"):
        said = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
        terminalreporter.write_line(f"first try of {report.nodeid}: {said[0] if said else report.longreprtext[-300:]}")
