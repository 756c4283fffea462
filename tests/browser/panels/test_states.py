"""Every state of a diagnostic panel, one sentence each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

RED = "98% full"


def panel(page: Page) -> Any:
    return page.locator(".pl-panel").first


def state(page: Page, name: str) -> None:
    expect(panel(page)).to_have_attribute("data-state", name)


def heard(page: Page, text: str) -> None:
    expect(panel(page).get_by_role("status")).to_contain_text(text)


def run(page: Page) -> None:
    state(page, "ready")
    panel(page).get_by_role("button", name="Run", exact=True).click()


def pass_time(page: Page, seconds: int) -> None:
    page.clock.run_for(seconds * 1000)


def test_the_status_region_is_there_and_empty_before_anything_happens(guide: Page) -> None:
    region = panel(guide).get_by_role("status")
    expect(region).to_have_count(1)
    expect(region).to_be_empty()


def test_a_run_names_the_id_and_the_chosen_target_and_carries_the_session_token(guide: Page, service: Any) -> None:
    state(guide, "ready")
    panel(guide).get_by_label("on").select_option("production")
    run(guide)
    state(guide, "finished")
    post = next(one for one in service.asked if one.method == "POST")
    assert json.loads(post.post_data) == {"ids": ["streaming.slow-consumer"], "target": "production"}
    assert post.headers["x-plumbline-token"].startswith("token-")


def test_a_red_finding_shows_number_limit_source_impact_and_next_step(guide: Page) -> None:
    run(guide)
    state(guide, "finished")
    shown = panel(guide)
    expect(shown.locator(".pl-status")).to_have_text("✕critical")
    row = shown.get_by_role("row").filter(has=guide.get_by_role("rowheader", name="fullest queue"))
    expect(row).to_contain_text("80 %")
    expect(row).to_contain_text("judgement: room for a burst")
    expect(row.locator("meter")).to_have_attribute("value", "0.98")
    expect(shown).to_contain_text("Everybody on the channel waits.")
    expect(shown.locator("ol li code")).to_have_text("plumb gateway set overflow=disconnect")
    expect(shown.locator("details")).to_contain_text("the gateway's admin socket")


def test_the_finding_is_announced_and_the_focus_stays_on_the_button(guide: Page) -> None:
    run(guide)
    state(guide, "finished")
    pass_time(guide, 2)
    heard(guide, f"Finished, critical: The fullest of 40 queues is {RED}")
    expect(panel(guide).get_by_role("button", name="Run again")).to_be_focused()


def test_cancelling_stops_the_run_on_the_server_and_says_so(guide: Page, service: Any) -> None:
    service.on_events.append(lambda route: None)  # a stream that never answers
    run(guide)
    state(guide, "running")
    panel(guide).get_by_role("button", name="Cancel").click()
    state(guide, "ready")
    pass_time(guide, 2)
    heard(guide, "Cancelled")
    assert service.paths("DELETE") == ["diagnostics/runs/r1"]


def test_escape_cancels(guide: Page, service: Any) -> None:
    service.on_events.append(lambda route: None)
    run(guide)
    state(guide, "running")
    guide.keyboard.press("Escape")
    state(guide, "ready")
    expect(panel(guide).locator(".pl-panel__message")).to_have_text("Cancelled.")


def test_a_broken_stream_is_resumed_after_the_last_event_that_came(guide: Page, service: Any, scripts: Any) -> None:
    events = list(enumerate(scripts.events("critical"), 1))
    service.on_events.append(lambda route: scripts.stream(route, events[:2]))
    service.on_events.append(lambda route: scripts.stream(route, events[2:]))
    run(guide)
    state(guide, "interrupted")
    pass_time(guide, 1)
    state(guide, "finished")
    streams = [one for one in service.asked if one.url.endswith("/events")]
    assert [one.headers.get("last-event-id") for one in streams] == [None, "2"]


def test_a_lost_stream_falls_back_to_the_report(guide: Page, service: Any) -> None:
    service.on_events.extend([lambda route: route.abort()] * 5)
    run(guide)
    for _ in range(5):
        state(guide, "interrupted")
        pass_time(guide, 10)
    state(guide, "finished")
    expect(panel(guide)).to_contain_text(RED)


def test_a_run_that_breaks_off_keeps_what_came(guide: Page, service: Any, scripts: Any) -> None:
    broken = [*scripts.events("critical")[:3], {"event": "run.failed", "sentence": "the run broke off: no worker"}]
    service.on_events.append(lambda route: scripts.stream(route, list(enumerate(broken, 1))))
    run(guide)
    state(guide, "interrupted")
    expect(panel(guide).locator(".pl-panel__message")).to_contain_text("the run broke off: no worker")
    expect(panel(guide)).to_contain_text(RED)


def test_too_many_runs_show_a_countdown_after_which_one_may_run_again(guide: Page, service: Any, scripts: Any) -> None:
    service.on_start.append(scripts.refusal(429, "30 runs were started within a minute", **{"Retry-After": "3"}))
    run(guide)
    state(guide, "limited")
    expect(panel(guide).locator(".pl-panel__message")).to_contain_text("again in 3 s")
    pass_time(guide, 1)
    expect(panel(guide).locator(".pl-panel__message")).to_contain_text("again in 2 s")
    pass_time(guide, 3)
    run(guide)
    state(guide, "finished")


def test_a_server_with_a_new_token_is_asked_for_it_once(guide: Page, service: Any, scripts: Any) -> None:
    service.on_start.append(scripts.refusal(401, "this request needs the session token"))
    run(guide)
    state(guide, "finished")
    assert service.paths("GET").count("session") == 2


def test_a_refusal_shows_its_sentence_and_its_hint(guide: Page, service: Any, scripts: Any) -> None:
    service.on_start.extend([scripts.refusal(403, "requests from elsewhere are refused")] * 2)
    run(guide)
    state(guide, "refused")
    expect(panel(guide).locator(".pl-panel__message")).to_have_text(
        "Refused: requests from elsewhere are refused; try later."
    )


def test_a_result_goes_stale_after_five_minutes(guide: Page) -> None:
    run(guide)
    state(guide, "finished")
    pass_time(guide, 299)
    state(guide, "finished")
    pass_time(guide, 2)
    state(guide, "stale")
    expect(panel(guide).locator(".pl-panel__message")).to_contain_text("Run it again before you act on it.")


def test_watching_runs_until_green_and_says_how_long_it_took(guide: Page, service: Any) -> None:
    service.statuses = ["critical", "critical", "critical", "ok"]
    run(guide)
    state(guide, "finished")
    panel(guide).get_by_role("button", name="Watch until green").click()
    for runs in (2, 3):
        state(guide, "watching")
        expect(panel(guide).locator(".pl-panel__body")).to_have_attribute("aria-busy", "true")
        expect(panel(guide).locator(".pl-panel__message")).to_contain_text(f"run {runs - 1}")
        guide.wait_for_function("n => document.querySelector('.pl-panel').textContent.includes(n)", arg=RED)
        pass_time(guide, 6)
    state(guide, "finished")
    expect(panel(guide).locator(".pl-panel__message")).to_contain_text("Green after")
    pass_time(guide, 2)
    heard(guide, "Green after")
    expect(panel(guide).get_by_role("button", name="Watch until green")).to_be_hidden()


def test_without_a_service_the_panel_says_how_to_get_one_and_the_block_stays_complete(
    page: Page, static_site: str
) -> None:
    page.goto(f"{static_site}/troubleshooting/streaming/slow-consumer/")
    state(page, "absent")
    expect(panel(page)).to_contain_text("No Plumbline serves this page")
    expect(panel(page).get_by_role("button", name="Run")).to_be_hidden()
    block = page.locator(".pl-diagnostic").first
    expect(block.get_by_text("plumb diagnose streaming.slow-consumer")).to_be_visible()
    expect(block.locator(".pl-thresholds")).to_be_visible()


def test_a_finding_is_copied_as_markdown_for_a_ticket(guide: Page) -> None:
    guide.context.grant_permissions(["clipboard-read", "clipboard-write"])
    run(guide)
    state(guide, "finished")
    panel(guide).get_by_role("button", name="Copy as Markdown").click()
    expect(panel(guide).get_by_role("button", name="Copied")).to_be_visible()
    text = guide.evaluate("navigator.clipboard.readText()")
    assert text.startswith("**CRITICAL** `streaming.slow-consumer` on `lab`: The fullest of 40 queues is 98% full")
    assert "| fullest_queue | 98% | 80 % |" in text


def test_the_report_is_downloaded_as_the_service_gave_it(guide: Page, scripts: Any, tmp_path: Path) -> None:
    run(guide)
    state(guide, "finished")
    with guide.expect_download() as saved:
        panel(guide).get_by_role("button", name="Download JSON").click()
    saved.value.save_as(tmp_path / "report.json")
    assert saved.value.suggested_filename == "streaming.slow-consumer.json"
    assert json.loads((tmp_path / "report.json").read_text()) == scripts.events("critical")[-1]["report"]
