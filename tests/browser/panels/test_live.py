"""The panel on the real service: a healthy lab, a cancelled run, and a fault that is mended while the page watches."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

GUIDE = "/troubleshooting/streaming/slow-consumer/"


def panel(page: Page) -> Locator:
    return page.locator(".pl-panel").first


def run(page: Page) -> None:
    expect(panel(page)).to_have_attribute("data-state", "ready")
    panel(page).get_by_role("button", name="Run", exact=True).click()


class Practice:
    """`plumb practice`, typed into as a person does."""

    def __init__(self, problem: str, state: Path) -> None:
        self.terminal, other = os.openpty()
        plumb = str(Path(sys.executable).with_name("plumb"))
        environment = os.environ | {"PLUMBLINE_STATE": str(state)}
        self.process = subprocess.Popen(
            [plumb, "practice", problem], stdin=other, stdout=other, stderr=other, env=environment
        )
        os.close(other)
        self.said = ""
        self.heard = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                text = os.read(self.terminal, 4096).decode(errors="replace")
            except OSError:  # Linux's way to say that the other end has gone
                text = ""
            with self.heard:
                self.said += text
                self.heard.notify_all()
            if not text:
                return

    def wait_for(self, pattern: str, times: int = 1) -> None:
        with self.heard:
            came = self.heard.wait_for(lambda: len(re.findall(pattern, self.said)) >= times, timeout=180)
            assert came, f"'{pattern}' never came:\n{self.said}"

    def type(self, line: str) -> None:
        os.write(self.terminal, f"{line}\n".encode())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        self.reader.join(10)
        os.close(self.terminal)


@pytest.fixture
def practice(handbook: str, state: Path) -> Iterator[Practice]:
    assert handbook  # the served lab is there first, so that the broken one is the newer
    one = Practice("streaming.slow-consumer", state)
    yield one
    one.end()


def test_on_a_healthy_lab_the_run_is_green_and_shows_its_numbers(handbook: str, page: Page) -> None:
    page.goto(handbook + GUIDE)
    run(page)
    expect(panel(page)).to_have_attribute("data-state", "finished")
    expect(panel(page).locator(".pl-status"), panel(page).inner_text()).to_have_text("✓ok")
    expect(panel(page).locator("meter").first).to_be_visible()
    expect(panel(page).get_by_role("status")).to_contain_text("Finished, ok:")
    expect(panel(page).get_by_role("button", name="Watch until green")).to_be_hidden()


def test_by_keyboard_alone_a_reader_runs_the_diagnostic(handbook: str, page: Page) -> None:
    page.goto(handbook + GUIDE)
    expect(panel(page)).to_have_attribute("data-state", "ready")
    page.keyboard.press("Tab")  # nobody wants to walk through the names of all guides
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('pl-panel__run')"):
            break
    button = panel(page).get_by_role("button", name="Run", exact=True)
    expect(button).to_be_focused()
    assert button.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(panel(page)).to_have_attribute("data-state", "finished")
    expect(panel(page).get_by_role("button", name="Run again")).to_be_focused()


def test_a_run_that_takes_its_time_can_be_cancelled(handbook: str, page: Page) -> None:
    page.goto(f"{handbook}/troubleshooting/")
    with page.expect_request(lambda one: one.method == "DELETE") as sent:
        run(page)  # all of them, and one listens to a quiet connection for seconds
        panel(page).get_by_role("button", name="Cancel").click()
    assert (answer := sent.value.response()) is not None
    assert answer.status == 202
    expect(panel(page).locator(".pl-panel__message")).to_contain_text("Cancelled")


def test_all_diagnostics_run_from_the_overview_and_each_row_leads_to_its_guide(handbook: str, page: Page) -> None:
    page.goto(f"{handbook}/troubleshooting/")
    run(page)
    expect(panel(page)).to_have_attribute("data-state", "finished", timeout=180_000)
    rows = panel(page).locator(".pl-overview tbody tr")
    expect(rows).to_have_count(len(page.request.get(f"{handbook}/api/diagnostics").json()["diagnostics"]))
    expect(panel(page).locator(".pl-status--critical, .pl-status--warning")).to_have_count(0)
    rows.filter(has_text="slow consumer").get_by_role("link").click()
    expect(page).to_have_url(re.compile(GUIDE))


def test_a_fault_is_red_on_the_page_until_a_person_has_mended_it(practice: Practice, handbook: str, page: Page) -> None:
    practice.wait_for("Now it is broken")
    page.goto(handbook + GUIDE)
    run(page)
    expect(panel(page)).to_have_attribute("data-state", "finished")
    expect(panel(page).locator(".pl-status"), panel(page).inner_text()).to_have_text(re.compile("critical|warning"))
    cause = panel(page).locator("a[href^='#cause-']")
    expect(page.locator(str(cause.get_attribute("href")))).to_be_visible()
    panel(page).get_by_role("button", name="Watch until green").click()
    expect(panel(page)).to_have_attribute("data-state", "watching")
    practice.type("fix")
    expect(panel(page).locator(".pl-panel__message")).to_contain_text("Green after", timeout=180_000)
    expect(panel(page).locator(".pl-status")).to_have_text("✓ok")
    practice.type("watch")
    assert practice.process.wait(180) == 0, practice.said
