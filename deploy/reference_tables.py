"""Write the tables of docs/reference/gateway.md and targets.md anew: `.venv/bin/python deploy/reference_tables.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plumbline.catalogue import locate
from plumbline.diagnosis.catalogue import load
from plumbline.diagnosis.needs import needs_table
from plumbline.streaming.core.closes import closes_table
from plumbline.streaming.core.settings import rules_table, settings_table
from plumbline.streaming.server.metrics import metrics_table

ROOT = Path(__file__).parents[1]
GATEWAY = {
    "Settings": settings_table,
    "Channel rules": rules_table,
    "Close codes": closes_table,
    "Metrics": metrics_table,
}
PAGES = {
    "docs/reference/gateway.md": GATEWAY,
    "docs/reference/targets.md": {"What each diagnostic needs": lambda: needs_table(load(locate(ROOT)))},
}


def main() -> None:
    """Write each page anew."""
    for name, tables in PAGES.items():
        renew(ROOT / name, tables)


def renew(path: Path, tables: dict[str, Callable[[], str]]) -> None:
    """Replace the one table of each section."""
    page = path.read_text(encoding="utf-8")
    for title, table in tables.items():
        before, heading, rest = page.partition(f"\n## {title}\n")
        section, next_heading, after = rest.partition("\n## ")
        lines = section.splitlines(keepends=True)
        rows = [number for number, line in enumerate(lines) if line.startswith("|")]
        section = "".join(lines[: rows[0]]) + table() + "".join(lines[rows[-1] + 1 :])
        page = before + heading + section + next_heading + after
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
