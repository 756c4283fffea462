"""Every page: complete without JavaScript, narrow, private, readable in both schemes, on paper, and by Zensical too."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[3]
GUIDES = sorted(
    f"/{path.relative_to(ROOT / 'docs').with_suffix('').as_posix()}/"
    for path in (ROOT / "docs/troubleshooting").glob("*/*.md")
    if path.name != "index.md"
)
GUIDE = "/troubleshooting/streaming/slow-consumer/"
INFRASTRUCTURE = [
    f"/infrastructure/{name}"
    for name in (
        "",
        "tutorial/",
        "architecture/",
        "capacity-planning/",
        "load-balancing/",
        "observability/",
        "playbooks/",
    )
]
OTHERS = [
    "/",
    "/troubleshooting/",
    "/troubleshooting/host/",
    "/proof/",
    "/reference/",
    "/reference/api/diagnosis/",
    *INFRASTRUCTURE,
]
AXE = {
    "resultTypes": ["violations"],
    "rules": {
        "landmark-unique": {"enabled": False},  # the theme's navigation repeats a label; no WCAG criterion is touched
        "empty-table-header": {"enabled": False},  # the corner of a two-way table is empty for good reason
    },
}
NewPage = Callable[..., Page]


def audit(page: Page, scheme: str) -> None:
    """Hold the page to axe's rules: all of them in the light scheme, those about colour again in the dark one."""
    colour = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    found = Axe().run(page, options=AXE if scheme == "light" else {**AXE, "rules": {}, "runOnly": colour})
    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.parametrize("path", GUIDES)
def test_without_javascript_a_guide_is_complete(static_site: str, new_page: NewPage, path: str) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(static_site + path)
    block = page.locator(".pl-diagnostic").first
    expect(block.locator("pre").first).to_contain_text("plumb diagnose ")
    expect(block.locator(".pl-thresholds").first).to_be_visible()
    samples = block.locator("details.pl-sample")
    expect(samples).to_have_count(2)
    samples.first.locator("summary").click()
    expect(samples.first.locator(".pl-result__verdict")).to_be_visible()
    expect(page.locator(".pl-proof").first).to_be_visible()
    expect(page.locator(".pl-proof .pl-status").first).to_be_visible()


def test_without_javascript_the_search_leads_to_the_page_of_symptoms(static_site: str, new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(static_site)
    expect(page.get_by_role("link", name="Find the guide by symptom")).to_be_visible()
    page.locator("[data-pl-open-search]").click()
    expect(page).to_have_url(f"{static_site}/troubleshooting/")
    expect(page.locator(".pl-symptoms")).to_be_visible()


@pytest.mark.parametrize("path", [*OTHERS, *GUIDES])
def test_a_phone_never_scrolls_sideways(static_site: str, new_page: NewPage, path: str) -> None:
    page = new_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page.goto(static_site + path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("path", [*OTHERS, *GUIDES])
def test_no_page_has_an_accessibility_fault(static_site: str, new_page: NewPage, path: str) -> None:
    page = new_page(color_scheme="light", reduced_motion="reduce")
    page.goto(static_site + path)
    page.wait_for_load_state("networkidle")
    audit(page, "light")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    audit(page, "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_search_results_have_no_accessibility_fault(static_site: str, new_page: NewPage, scheme: str) -> None:
    page = new_page(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{static_site}/proof/")
    page.keyboard.press("/")
    page.keyboard.type("too many open files")
    expect(page.get_by_role("option").first).to_be_visible()
    audit(page, scheme)


def test_the_scheme_follows_the_system_and_can_be_chosen(static_site: str, new_page: NewPage) -> None:
    page = new_page(color_scheme="dark")
    page.goto(static_site)
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    page.get_by_title("Follows the system; switch to light").click()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")


def test_no_page_asks_anybody_else_for_anything(static_site: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in [*OTHERS, *GUIDES]:
        page.goto(static_site + path)
        page.wait_for_load_state("networkidle")
    assert asked
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(static_site).netloc}


def test_on_paper_a_guide_is_its_content(static_site: str, page: Page) -> None:
    page.goto(static_site + GUIDE)
    page.emulate_media(media="print")
    expect(page.locator(".md-header")).to_be_hidden()
    expect(page.locator(".pl-panel__bar")).to_be_hidden()
    expect(page.locator("details.pl-reads p").first).to_be_visible()


def test_a_wrong_address_offers_the_search(handbook: str, page: Page) -> None:
    answer = page.goto(f"{handbook}/no/such/page/")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("combobox").fill("too many open files")
    expect(page.get_by_role("option").first).to_be_visible()


def test_a_page_that_is_loaded_again_works_as_before(handbook: str, page: Page) -> None:
    page.goto(handbook + GUIDE)
    for _ in range(2):
        expect(page.locator(".pl-panel").first).to_have_attribute("data-state", "ready")
        page.reload()  # answered by 304, whose headers replace those of the first answer


@pytest.mark.parametrize("path", GUIDES)
def test_zensical_renders_the_same_blocks(built: Path, path: str) -> None:
    def blocks(site: Path) -> list[str]:
        return re.findall(r'class="(pl-block [^"]+)"', (site / path.strip("/") / "index.html").read_text())

    assert blocks(built) == blocks(built.with_name("site-zensical"))
    assert len(blocks(built)) >= 2


def test_a_panel_lives_under_zensical_too(zensical_site: str, page: Page) -> None:
    page.goto(zensical_site + GUIDE)
    expect(page.locator(".pl-panel").first).to_have_attribute("data-state", "absent")


def test_the_scripts_of_a_page_with_a_panel_stay_small() -> None:
    scripts = sorted((ROOT / "docs/assets/js").glob("*.js"))
    panel = {"panel.js", "report.js", "runs.js", "service.js", "dom.js"}
    sizes = {path.name: len(gzip.compress(path.read_bytes(), mtime=0)) for path in scripts}
    assert panel <= sizes.keys()
    assert sum(sizes[name] for name in panel) < 15_000
    # What only one page loads is not counted here: live charts, deployments, the calculator, the gateway's client.
    own = {name for name in sizes if name.startswith(("live", "deployment", "capacity", "plumbline-"))}
    assert sum(size for name, size in sizes.items() if name not in own) < 25_000
    assert all(sizes[name] < 5_000 for name in own)
