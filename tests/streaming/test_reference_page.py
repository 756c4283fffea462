"""The reference page says what the code does."""

import re
from pathlib import Path

import pytest

from plumbline.streaming.cluster.cachemetrics import cache_metrics_table
from plumbline.streaming.core.closes import closes_table
from plumbline.streaming.core.settings import rules_table, settings_table
from plumbline.streaming.server.metrics import metrics_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/gateway.md").read_text()


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("Settings", settings_table),
        ("Channel rules", rules_table),
        ("Close codes", closes_table),
        ("Metrics", metrics_table),
        ("Metrics of a cache", cache_metrics_table),
    ],
)
def test_a_table_of_the_page_is_the_table_of_the_code(title, table):
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    assert "\n".join(lines) + "\n" == table(), "write the page's table anew from the code"


def test_the_log_events_of_the_page_are_those_of_the_code():
    parts = ("server", "workers", "cluster")
    source = "\n".join(
        path.read_text() for part in parts for path in (ROOT / "src/plumbline/streaming" / part).rglob("*.py")
    )
    events = set(re.findall(r'log\.event\(\s*logging\.\w+,\s*f?"([a-z ]+)', source)) | set(
        re.findall(r'text = "([a-z ]+)"\n\s+log\.event', source)
    )
    events |= set(re.findall(r"WARNING plumbline.gateway ([a-z ]+) lines=", source))  # written by the log's own thread
    rows = re.findall(r"^\| (`[^|]+`) \|", section("Log lines"), re.MULTILINE)
    told = {event.split(":")[0] for row in rows for event in re.findall(r"`([^`]+)`", row)}
    assert told == events


def test_the_error_codes_of_the_page_are_those_of_the_code():
    files = [path for part in ("core", "server") for path in (ROOT / "src/plumbline/streaming" / part).glob("*.py")]
    source = "\n".join(path.read_text() for path in files)
    codes = set(re.findall(r'RequestError\(\s*"([a-z-]+)"', source))
    told = set(re.findall(r"^\| `([a-z-]+)` \|", section("Protocol").split("### Errors")[1], re.MULTILINE))
    assert told == codes
