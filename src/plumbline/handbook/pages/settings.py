"""The page of the gateway's settings and close codes, from the tables that the gateway itself uses."""

from __future__ import annotations

from plumbline.handbook.pages.markdown import page, table
from plumbline.streaming.closes import CODES
from plumbline.streaming.settings import settings_table


def settings_page() -> str:
    """Return the page."""
    codes = [[f"`{one.code}`", f"`{one.label}`", one.come_back, one.meaning] for one in CODES.values()]
    return page(
        "Gateway settings",
        "Every setting of the gateway, and every way in which it closes a connection.",
        "Set one on the live gateway: `plumb gateway set key=value`. See all: `plumb gateway show settings`.",
        settings_table(),
        "## Close codes",
        table(["Code", "Metric label", "Connect again?", "What happened"], codes),
    )
