"""The capacity page: complete without JavaScript; with it the same sums as in Python, by keyboard and on a phone."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[3]
PAGE = "/infrastructure/capacity-planning/"
DATA: dict[str, Any] = json.loads((ROOT / "docs/assets/data/capacity.json").read_text())
LOADS: list[dict[str, Any]] = [
    {},
    {"connections": 30_000, "tls": False, "messages_per_s": 500, "fan_out": 5},
    {"connections": 200_000, "subscriptions": 20, "messages_per_s": 2_000, "fan_out": 300, "slow_percent": 2},
    {"messages_per_s": 0, "fan_out": 0, "heartbeat_s": 0, "lifetime_min": 0, "slow_percent": 0},
    {"connections": 1, "messages_per_s": 1, "fan_out": 1, "message_bytes": 100_000, "busy_percent": 90},
]


@pytest.fixture(scope="module")
def python() -> dict[str, Any]:
    """The formulas in Python, as the script that writes the page's figures has them."""
    folder = str(ROOT / "benchmarks/streaming")
    sys.path.insert(0, folder)
    try:
        return runpy.run_path(f"{folder}/capacity.py")
    finally:
        sys.path.remove(folder)


def rows(page: Page) -> dict[str, str]:
    """Return what the table of results says."""
    found = page.locator("[data-pl-capacity] tbody tr").all()
    return {one.locator("th, td").nth(0).inner_text(): one.locator("th, td").nth(1).inner_text() for one in found}


@pytest.mark.parametrize("load", LOADS, ids=range(len(LOADS)))
def test_script_and_page_calculate_the_same(
    static_site: str, page: Page, python: dict[str, Any], load: dict[str, Any]
) -> None:
    given = {**DATA["example"], **load}
    page.goto(static_site + PAGE)
    shown = page.evaluate(
        """async ([given, data, script]) => {
          const { plan, words } = await import(script);
          const found = plan(given, data);
          return [found, words(found)];
        }""",
        [given, DATA, f"{static_site}/assets/js/capacity.js"],
    )
    wanted = python["plan"](given, DATA)
    assert shown[0] == pytest.approx(wanted)
    assert shown[0].keys() == wanted.keys()
    assert shown[1] == python["words"](wanted)


def test_without_javascript_the_page_has_its_example_and_formulas(
    static_site: str, new_page: Callable[..., Page], python: dict[str, Any]
) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(static_site + PAGE)
    assert rows(page) == python["words"](python["plan"](DATA["example"], DATA))
    expect(page.get_by_role("heading", name="How it is counted")).to_be_visible()


def test_the_calculator_begins_with_the_example(static_site: str, page: Page, python: dict[str, Any]) -> None:
    page.goto(static_site + PAGE)
    expect(page.get_by_label("Connections")).to_have_value(str(DATA["example"]["connections"]))
    assert rows(page) == python["words"](python["plan"](DATA["example"], DATA))


def test_it_works_from_the_keyboard_and_says_what_changed(static_site: str, page: Page, python: dict[str, Any]) -> None:
    page.goto(static_site + PAGE)
    page.get_by_label("Connections").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("60000")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Subscriptions")).to_be_focused()
    page.get_by_label("TLS at the gateway").focus()
    page.keyboard.press("Space")
    given = {**DATA["example"], "connections": 60_000, "tls": False}
    wanted = python["words"](python["plan"](given, DATA))
    assert rows(page) == wanted
    expect(page.get_by_role("status")).to_contain_text(f"{wanted['Workers']} workers")
    page.reload()  # the address carries what was changed
    assert page.url.endswith("?connections=60000&tls=0#calculator")
    expect(page.get_by_label("Connections")).to_have_value("60000")
    assert rows(page) == wanted


def test_a_value_that_is_none_changes_nothing_and_is_said(static_site: str, page: Page) -> None:
    page.goto(static_site + PAGE)
    field = page.get_by_label("A core is busy at most")
    expect(field).to_have_accessible_description("%, the rest is for bursts and for a worker that died")
    before = rows(page)
    field.fill("0")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("status")).to_contain_text("A core is busy at most: ")
    assert rows(page) == before
    page.goto(f"{static_site}{PAGE}?connections=-5&busy_percent=x")
    expect(page.get_by_label("Connections")).to_have_value(str(DATA["example"]["connections"]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_calculator_on_a_phone_has_no_accessibility_fault(
    static_site: str, new_page: Callable[..., Page], scheme: str
) -> None:
    page = new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme, is_mobile=True)
    page.goto(static_site + PAGE)
    expect(page.get_by_label("Connections")).to_be_visible()
    found = Axe().run(page, ".pl-capacity", options={"resultTypes": ["violations"]})
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_shows_what_the_script_writes(python: dict[str, Any]) -> None:
    text = (ROOT / "docs/infrastructure/capacity-planning.md").read_text()
    assert python["constants"]() == DATA
    assert python["BEGIN"] + python["example"](DATA) + python["END"] in text
