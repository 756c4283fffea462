"""The search box against the real service: from what the reader meets to the guide, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

COMPLAINT = "clients stall and gateway memory keeps growing"
SLOW_CONSUMER = re.compile(r"/troubleshooting/streaming/slow-consumer/")
FD_LOG = """2026-11-23 01:02:03 INFO connection accepted connection=81
2026-11-23 01:02:04 ERROR accept failed: [Errno 24] Too many open files
2026-11-23 01:02:05 ERROR accept failed: [Errno 24] Too many open files"""


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search: a symptom")


def options(page: Page) -> Locator:
    return page.get_by_role("option")


def answered(page: Page) -> None:
    expect(page.locator(".pl-finder__foot:visible")).to_contain_text("read as")


def paste(page: Page, text: str) -> None:
    box(page).evaluate(
        """(input, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def test_a_symptom_typed_on_the_home_page_leads_to_its_guide(handbook: str, page: Page) -> None:
    page.goto(handbook)
    box(page).press_sequentially(COMPLAINT)
    answered(page)
    page.keyboard.press("Enter")
    expect(page).to_have_url(SLOW_CONSUMER)
    expect(page.locator(".pl-diagnostic")).to_be_visible()


def test_a_result_says_why_it_was_found_and_what_checks_it(handbook: str, page: Page) -> None:
    page.goto(handbook)
    box(page).fill(COMPLAINT)
    answered(page)
    first = options(page).first
    expect(first.locator("mark").first).to_be_visible()
    expect(first).to_contain_text("words:")
    expect(first).to_contain_text("checked by streaming.slow-consumer")


def test_the_number_of_results_and_the_first_are_announced(handbook: str, page: Page) -> None:
    page.goto(handbook)
    status = page.locator(".pl-finder").get_by_role("status")
    expect(status).to_be_empty()
    box(page).fill(COMPLAINT)
    expect(status).to_have_text(re.compile(r"^\d+ results?\. First: \S"))


def test_a_pasted_log_is_sent_in_the_body_and_never_into_the_address(handbook: str, page: Page) -> None:
    page.goto(handbook)
    with page.expect_request(lambda one: one.url.endswith("/api/search") and one.method == "POST") as sent:
        paste(page, FD_LOG)
    assert sent.value.post_data_json["log"] == FD_LOG
    answered(page)
    expect(page.get_by_role("button", name="Log, 3 lines")).to_be_visible()
    expect(options(page).first).to_contain_text("log line")
    assert "?" not in page.url
    box(page).press("Enter")
    expect(page).to_have_url(re.compile("/troubleshooting/streaming/fd-exhaustion/"))


def test_the_way_back_from_a_guide_leads_to_the_results(handbook: str, page: Page) -> None:
    page.goto(handbook)
    box(page).fill(COMPLAINT)
    answered(page)
    options(page).first.click()
    expect(page).to_have_url(SLOW_CONSUMER)
    page.go_back()
    expect(box(page)).to_have_value(COMPLAINT)
    expect(options(page).first).to_be_visible()


@pytest.mark.parametrize("keys", ["/", "Control+k"])
def test_every_page_has_the_search_behind_a_key(handbook: str, page: Page, keys: str) -> None:
    page.goto(f"{handbook}/proof/")
    page.keyboard.press(keys)
    expect(box(page)).to_be_focused()
    page.keyboard.type("too many open files")
    answered(page)
    expect(options(page).first).to_have_attribute("href", re.compile("fd-exhaustion"))


def test_arrows_choose_and_the_box_names_the_choice(handbook: str, page: Page) -> None:
    page.goto(handbook)
    box(page).fill(COMPLAINT)
    answered(page)
    box(page).press("ArrowDown")
    chosen = options(page).nth(1)
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(box(page)).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))
    expect(box(page)).to_be_focused()
    box(page).press("ArrowUp")
    expect(options(page).first).to_have_attribute("aria-selected", "true")


def test_escape_closes_the_list_then_empties_the_box_then_closes_the_dialog(handbook: str, page: Page) -> None:
    page.goto(f"{handbook}/proof/")
    opener = page.locator("[data-pl-open-search]")
    opener.focus()
    page.keyboard.press("Enter")
    page.keyboard.type(COMPLAINT)
    answered(page)
    page.keyboard.press("Escape")
    expect(box(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Escape")
    expect(box(page)).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_question_that_no_guide_answers_is_met_with_a_question(handbook: str, page: Page) -> None:
    page.goto(handbook)
    box(page).fill("how long should sourdough bread rest before baking")
    answered(page)
    expect(page.locator(".pl-finder__none")).to_contain_text("No guide for this")
    expect(page.locator(".pl-finder__none")).to_contain_text("?")


def test_a_question_that_is_too_long_is_refused_with_a_sentence(handbook: str, page: Page) -> None:
    page.goto(handbook)
    paste(page, "x\n" * 2_000_000)
    expect(page.locator(".pl-finder__note")).to_contain_text(re.compile("long|large|characters|bytes"))
