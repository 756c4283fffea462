"""The same box where no service answers, or answers with less."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, Route, expect


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search: a symptom")


def test_static_hosting_answers_from_the_built_in_index_and_says_so(static_site: str, page: Page) -> None:
    page.goto(static_site)
    box(page).fill("too many open files")
    expect(page.locator(".pl-finder__notice")).to_contain_text("built-in index")
    first = page.get_by_role("option").first
    expect(first).to_have_attribute("href", re.compile("/troubleshooting/streaming/fd-exhaustion/"))
    expect(first.locator("mark").first).to_be_visible()


def test_zensical_has_the_same_box_over_its_own_index(zensical_site: str, page: Page) -> None:
    page.goto(zensical_site)
    box(page).fill("too many open files")
    expect(page.locator(".pl-finder__notice")).to_contain_text("built-in index")
    expect(page.get_by_role("option").first).to_have_attribute("href", re.compile("fd-exhaustion"))


def test_a_missing_service_is_not_asked_again_at_every_key(static_site: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto(static_site)
    box(page).fill("memory")
    expect(page.locator(".pl-finder__notice")).to_be_visible()
    before = len(asked)
    box(page).fill("memory grows")
    expect(page.locator(".pl-finder__foot")).to_contain_text("words only")
    box(page).press("Enter")
    assert len(asked) == before


def test_words_that_nobody_wrote_find_nothing_and_that_is_said(static_site: str, page: Page) -> None:
    page.goto(static_site)
    box(page).fill("zzyzx qwrtp")
    expect(page.locator(".pl-finder__none")).to_contain_text("No guide for this")


def test_a_notice_of_the_service_is_shown(static_site: str, page: Page) -> None:
    answer = {
        "query": "q",
        "kind": "question",
        "mode": "lexical",
        "notice": "The model is loading: words only.",
        "took_ms": 1.0,
    }
    rest = {"no_guide": False, "ask": None, "corrected": "memory", "results": []}
    page.route("**/api/suggest*", lambda route: route.fulfill(json={"suggestions": []}))
    page.route("**/api/search*", lambda route: route.fulfill(json=answer | rest))
    page.goto(static_site)
    box(page).fill("memori")
    expect(page.locator(".pl-finder__notice")).to_have_text("The model is loading: words only.")
    expect(page.locator(".pl-finder__note")).to_contain_text("Also searched for memory")


def test_what_a_service_sends_is_shown_as_text_and_never_run(static_site: str, page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    hit = {
        "id": "x", "title": evil, "heading": evil + "2", "breadcrumb": [evil], "url": "/proof/", "page_kind": "page",
        "score": 1, "snippet": evil, "highlights": [[0, 4]], "why": {"lanes": {}, "terms": [evil], "signature": evil},
        "diagnostic": evil, "proven_at": None,
    }  # fmt: skip
    answer = {
        "query": "q",
        "kind": "question",
        "mode": "hybrid",
        "notice": evil,
        "took_ms": 1.0,
        "no_guide": False,
        "ask": None,
    }

    def answered(route: Route) -> None:
        route.fulfill(json=answer | {"corrected": evil, "results": [hit]})

    page.route("**/api/suggest*", lambda route: route.fulfill(json={"suggestions": []}))
    page.route("**/api/search*", answered)
    page.goto(static_site)
    title = page.title()
    box(page).fill("anything")
    expect(page.get_by_role("option")).to_contain_text(evil)
    assert page.title() == title
    assert page.locator(".pl-finder img").count() == 0


def test_on_a_phone_the_search_takes_the_whole_screen(static_site: str, new_page: Callable[..., Page]) -> None:
    page = new_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(f"{static_site}/proof/")
    page.locator("[data-pl-open-search]").tap()
    dialog = page.get_by_role("dialog", name="Search")
    expect(dialog).to_be_visible()
    area = dialog.bounding_box()
    assert area is not None
    assert (area["x"], area["y"], area["width"]) == (0, 0, 360)
    assert area["height"] >= 739
    dialog.get_by_role("button", name="Close").tap()
    expect(dialog).to_be_hidden()
