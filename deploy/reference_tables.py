"""Write the tables of docs/reference/gateway.md anew from the code: `.venv/bin/python deploy/reference_tables.py`."""

from __future__ import annotations

from pathlib import Path

from plumbline.streaming.core.closes import closes_table
from plumbline.streaming.core.settings import rules_table, settings_table
from plumbline.streaming.server.metrics import metrics_table

PAGE = Path(__file__).parents[1] / "docs/reference/gateway.md"
TABLES = {
    "Settings": settings_table,
    "Channel rules": rules_table,
    "Close codes": closes_table,
    "Metrics": metrics_table,
}


def main() -> None:
    """Replace the one table of each section."""
    page = PAGE.read_text(encoding="utf-8")
    for title, table in TABLES.items():
        before, heading, rest = page.partition(f"\n## {title}\n")
        section, next_heading, after = rest.partition("\n## ")
        lines = section.splitlines(keepends=True)
        rows = [number for number, line in enumerate(lines) if line.startswith("|")]
        section = "".join(lines[: rows[0]]) + table() + "".join(lines[rows[-1] + 1 :])
        page = before + heading + section + next_heading + after
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
