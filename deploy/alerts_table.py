"""Write the alerts of docs/infrastructure/observability.md anew from the chart's: `python deploy/alerts_table.py`."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "deploy/chart/plumbline-gateway/files/alerts.yaml"
PAGE = ROOT / "docs/infrastructure/observability.md"
BEGIN = "<!-- alerts: written by deploy/alerts_table.py -->\n"
END = "<!-- end of the alerts -->\n"


def alerts_table() -> str:
    """Return the table as Markdown."""
    rows = ["| Alert | Rings when | For | Severity | Guide |", "|---|---|---|---|---|"]
    for one in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["alerts"]:
        area, _, slug = one["guide"].partition(".")
        guide = f"[{slug}](../troubleshooting/{area}/{slug}.md)"
        rows.append(f"| {one['alert']} | `{one['expr']}` | {one.get('for', '')} | {one['severity']} | {guide} |")
    return "\n" + "\n".join(rows) + "\n\n"


def main() -> None:
    """Replace what stands between the marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + alerts_table() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
