"""The gateway's live page: on the real service, on static hosting, and with two workers."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, Route, expect

LIVE = "/infrastructure/live/"
DRAWN = re.compile(r"M[\d.]+ [\d.]+L")  # at least two points


def test_the_labs_gateway_appears_with_charts_and_numbers(handbook: str, page: Page) -> None:
    page.goto(handbook + LIVE)
    expect(page.locator(".pl-live__message")).to_have_text("Live: one process, a look every second.")
    expect(page.get_by_role("row", name="Deliveries")).to_contain_text("/s")
    expect(page.locator(".pl-live__line").first).to_have_attribute("d", DRAWN)


def test_paused_numbers_stand_still(handbook: str, page: Page) -> None:
    page.goto(handbook + LIVE)
    row = page.get_by_role("row", name="Deliveries")
    expect(row).to_contain_text("/s")
    page.get_by_role("button", name="Pause").click()
    before = row.inner_text()
    page.wait_for_timeout(2500)
    assert row.inner_text() == before
    expect(page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")


def test_without_a_service_the_page_keeps_its_command(static_site: str, page: Page) -> None:
    page.goto(static_site + LIVE)
    expect(page.locator("[data-pl-gateway]")).to_have_attribute("data-state", "absent")
    expect(page.locator("[data-pl-gateway]")).to_contain_text("plumb gateway show stats")


def worker(name: str, connections: int) -> dict[str, object]:
    rates = dict.fromkeys(("deliveries_per_s", "published_per_s", "opened_per_s", "closed_per_s", "dropped_per_s"), 1.0)
    sizes = dict.fromkeys(("subscriptions", "queued_bytes", "fullest_queue_bytes", "resident_bytes"), 2048)
    return {
        "worker": name,
        "pid": 1,
        "connections": connections,
        **rates,
        **sizes,
        "loop_lag_s": 0.25,
        "accept_queue": 0,
    }


def test_two_workers_are_compared_and_summed(static_site: str, page: Page) -> None:
    body = json.dumps({"target": "lab", "workers": [worker("worker-0", 9000), worker("worker-1", 6000)]})

    def stream(route: Route) -> None:
        text = f"retry: 60000\n\nevent: look\ndata: {body}\n\n"
        route.fulfill(headers={"Content-Type": "text/event-stream"}, body=text)

    page.route("**/api/targets", lambda route: route.fulfill(json={"targets": ["lab"], "default": "lab"}))
    page.route("**/api/streaming/live**", stream)
    page.goto(static_site + LIVE)
    cells = page.locator("[data-pl-gateway] tr", has=page.get_by_role("rowheader", name="Connections", exact=True))
    expect(cells.get_by_role("cell")).to_have_text(["9,000", "6,000", "15,000"])
    lag = page.locator("[data-pl-gateway] tr", has=page.get_by_role("rowheader", name="Loop lag"))
    expect(lag.get_by_role("cell")).to_have_text(["250 ms", "250 ms", "250 ms"])


def test_a_target_that_has_no_gateway_shows_a_sentence_and_no_empty_charts(static_site: str, page: Page) -> None:
    body = json.dumps(json.dumps({"target": "lab", "absent": "no lab is running"}))
    page.add_init_script(f"""
        window.EventSource = class extends EventTarget {{
          constructor() {{
            super();
            setTimeout(() => this.dispatchEvent(new MessageEvent("look", {{ data: {body} }})));
          }}
          close() {{}}
        }};""")
    page.route("**/api/targets", lambda route: route.fulfill(json={"targets": ["lab"], "default": "lab"}))
    page.goto(static_site + LIVE)
    expect(page.locator(".pl-live__message")).to_have_text("No gateway to look at: no lab is running.")
    expect(page.locator(".pl-live__charts")).to_be_hidden()
    expect(page.get_by_label("Target")).to_be_visible()


def test_a_service_that_refuses_is_asked_again(static_site: str, page: Page) -> None:
    asked = []

    def refuse_once(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(status=429, json={"error": {"sentence": "32 pages watch already"}})
            return
        body = json.dumps({"target": "lab", "workers": [worker("gateway", 7)]})
        route.fulfill(
            headers={"Content-Type": "text/event-stream"}, body=f"retry: 60000\n\nevent: look\ndata: {body}\n\n"
        )

    page.route("**/api/targets", lambda route: route.fulfill(json={"targets": ["lab"], "default": "lab"}))
    page.route("**/api/streaming/live**", refuse_once)
    page.clock.install()
    page.goto(static_site + LIVE)
    expect(page.locator(".pl-live__message")).to_contain_text("The service refused")
    page.clock.run_for(5000)
    expect(page.locator("[data-pl-gateway]").get_by_role("row", name="Connections").get_by_role("cell")).to_have_text(
        "7"
    )


def test_a_page_that_is_opened_before_its_service_is_there_comes_to_life_with_it(static_site: str, page: Page) -> None:
    asked = []

    def late(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.abort("connectionrefused")
        else:
            route.fulfill(json={"targets": ["lab"], "default": "lab"})

    look = json.dumps({"target": "lab", "workers": [worker("gateway", 7)]})
    stream = {
        "headers": {"Content-Type": "text/event-stream"},
        "body": f"retry: 60000\n\nevent: look\ndata: {look}\n\n",
    }
    page.route("**/api/targets", late)
    page.route("**/api/streaming/live**", lambda route: route.fulfill(**stream))
    page.clock.install()
    page.goto(static_site + LIVE)
    place = page.locator("[data-pl-gateway]")
    expect(place).to_contain_text("plumb gateway show stats")
    expect(place).to_have_attribute("data-state", "absent")
    page.clock.run_for(5000)
    expect(place.get_by_role("row", name="Connections").get_by_role("cell")).to_have_text("7")
    expect(place).not_to_have_attribute("data-state", "absent")
