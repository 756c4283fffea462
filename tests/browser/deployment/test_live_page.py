"""The deployments' live page: on the real service with a registry, with nothing to show, and on static hosting."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from small_artefacts import LOOKING, artefact

from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.parts import Approval
from plumbline.deployment.pipeline.plan import Plan, Stage
from plumbline.deployment.pipeline.presence import here
from plumbline.deployment.registry.store import Registry

ROOT = Path(__file__).parents[3]
LIVE = "/infrastructure/deployment/live/"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
VERSIONS = {"candidate": ["1.0.1", NEW], "production": ["1.0.0", OLD]}


@dataclass
class Shop:
    """The service, and the journal that it reads."""

    url: str
    journal: Journal

    def begin(self) -> str:
        plan = Plan("churn", "ada", "trained on November", stages=(Stage(0.05, 60, 600),), approval=Approval("always"))
        one = self.journal.begin(plan).id
        self.journal.append(one, "run", "note", here())
        return one

    def say(self, one: str, step: str, kind: Any, ended: str | None = None, **data: Any) -> None:
        self.journal.append(one, step, kind, data, epoch=1, ended=ended)


@pytest.fixture(scope="module")
def shop(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """`plumb up` without a lab, on a registry with two versions."""
    folder = tmp_path_factory.mktemp("shop")
    with Registry.open(folder / "registry") as registry:
        for number in (1, 2):
            registry.register(*artefact(folder / f"build{number}", b"%d" % number), by="ada", looking=LOOKING)
        registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="the first")
    (folder / "plumbline.toml").write_text(f'[targets.new]\nregistry = "{folder}/new"\n')
    own = {"PLUMBLINE_STATE": str(folder), "PLUMBLINE_CONFIG": str(folder / "plumbline.toml"), "PYTHONUNBUFFERED": "1"}
    plumb = str(Path(sys.executable).with_name("plumb"))
    command = [plumb, "up", "--no-lab", "--port", "0", "--site", str(built), "--registry", str(folder / "registry")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | own, cwd=ROOT) as process:
        assert process.stderr
        address = next((found[1] for line in process.stderr if (found := re.search(r"is on (http://\S+)", line))), None)
        assert address, "plumb up did not start"
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        journal = Journal(folder / "registry/deployments.db")
        yield Shop(address, journal)
        journal.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)
        drain.join()


def step(page: Page, name: str) -> Any:
    return page.locator(f'.pl-step[data-step="{name}"]')


def line(page: Page, deployment: str) -> Any:
    return page.locator("tr", has=page.get_by_role("button", name=deployment, exact=True))


def test_a_deployment_is_followed_from_its_gates_to_its_end(shop: Shop, page: Page) -> None:
    one = shop.begin()
    shop.say(one, "build", "intent")
    page.goto(shop.url + LIVE)
    expect(page.locator(".pl-live__message").first).to_contain_text("1 under way")
    models = page.get_by_role("table", name="Models and where their aliases point")
    expect(models.get_by_role("row", name="churn")).to_contain_text("1.0.0")
    expect(step(page, "build")).to_have_attribute("data-state", "running")
    shop.say(one, "build", "done", result="ok", sentence="1.0.1, beside 1.0.0", versions=VERSIONS)
    shop.say(one, "test", "done", result="ok", sentence="no test is declared", verdicts=[])
    verdicts = [
        {"gate": "parity", "outcome": "pass", "sentence": "as trained"},
        {"gate": "latency", "outcome": "inconclusive", "sentence": "too few calls"},
    ]
    over = {"latency": {"by": "eve", "why": "measured elsewhere"}}
    shop.say(one, "gates", "done", result="overridden", sentence="overridden", verdicts=verdicts, overridden=over)
    expect(step(page, "gates")).to_contain_text("Overridden by eve: measured elsewhere")
    shop.say(one, "approval", "intent")
    expect(line(page, one)).to_contain_text("waits for approval")
    expect(page.locator("section")).to_contain_text(f"plumb deployments approve {one}")
    shop.say(one, "approval", "done", result="ok", sentence="approved by eve")
    shop.say(one, "prepare", "done", result="ok", sentence="loaded")
    shares = {OLD: 0.9, NEW: 0.05, f"{OLD}#baseline": 0.05}
    shop.say(one, "shift:0", "done", result="ok", sentence="90% 1.0.0, 5% 1.0.1", shares=shares)
    shop.say(one, "watch:0", "intent", start={"at": time.time(), "counts": {}})
    expect(step(page, "shift:0").locator(".pl-shares__part")).to_have_count(3)
    expect(step(page, "watch:0")).to_contain_text("at least 60 s")
    expect(step(page, "watch:0")).to_have_attribute("aria-current", "step")
    shop.say(one, "watch:0", "failed", result="fail", sentence="errors: 9 of 50 beside 0 of 48")
    shop.say(one, "roll-back", "done", "rolled-back", result="ok", sentence="1.0.0 serves")
    expect(step(page, "promote")).to_have_attribute("data-state", "skipped")
    expect(line(page, one)).to_contain_text("rolled-back")
    expect(page.locator("section").get_by_role("status")).to_contain_text(f"{one} is over: rolled-back.")


def test_another_deployment_is_chosen_by_keyboard_and_kept_in_the_address(shop: Shop, page: Page) -> None:
    first = shop.begin()
    shop.say(first, "build", "failed", "rejected", result="fail", sentence="it broke")
    shop.say(second := shop.begin(), "build", "failed", "rejected", result="fail", sentence="again")
    page.goto(shop.url + LIVE)
    expect(page.get_by_role("heading", name=second)).to_be_visible()
    chosen = page.get_by_role("button", name=first, exact=True)
    chosen.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=first, exact=True)).to_be_visible()
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(chosen).to_be_focused()
    page.reload()
    expect(page.get_by_role("heading", name=first, exact=True)).to_be_visible()


def test_a_registry_that_is_not_there_yet_says_what_to_do(shop: Shop, page: Page) -> None:
    page.goto(shop.url + LIVE)
    page.get_by_role("combobox", name="Registry").select_option("new")
    expect(page.locator(".pl-live__message").first).to_contain_text("there is no registry in")
    expect(page.locator("[data-pl-deployments]")).to_contain_text("plumb model register FOLDER --registry")


def test_the_experiments_are_one_click_away_and_say_how_to_name_one(shop: Shop, page: Page) -> None:
    page.goto(shop.url + LIVE)
    page.get_by_role("link", name="Experiments", exact=True).last.click()
    expect(page).to_have_url(shop.url + "/experiments/")
    expect(page.get_by_text("No target names an experiment")).to_be_visible()


def test_nothing_is_wider_than_a_small_screen(shop: Shop, new_page: Any) -> None:
    shop.say(shop.begin(), "build", "failed", "rejected", result="fail", sentence="a-long-word-" * 12)
    page = new_page(viewport={"width": 360, "height": 780}, color_scheme="dark")
    page.goto(shop.url + LIVE)
    expect(step(page, "build")).to_contain_text("a-long-word")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_paused_steps_stand_still_until_it_goes_on(shop: Shop, page: Page) -> None:
    one = shop.begin()
    shop.say(one, "build", "intent")
    page.goto(shop.url + LIVE)
    expect(step(page, "build")).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Pause").click()
    with page.expect_response("**/overview*"):
        shop.say(one, "build", "failed", "rejected", result="fail", sentence="no")
        page.evaluate("fetch('/api/deployment/overview')")
    expect(step(page, "build")).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Go on").click()
    expect(step(page, "build")).to_have_attribute("data-state", "fail")


def test_without_a_service_or_javascript_the_page_names_the_commands(static_site: str, new_page: Any) -> None:
    page = new_page()
    page.goto(static_site + LIVE)
    expect(page.locator("[data-pl-deployments]")).to_have_attribute("data-state", "absent")
    expect(page.locator("[data-pl-deployments]")).to_contain_text("plumb deployments show ID")
    plain = new_page(java_script_enabled=False)
    plain.goto(static_site + LIVE)
    expect(plain.locator("[data-pl-deployments]")).to_contain_text("plumb deployments show ID")


def test_a_service_that_refuses_is_asked_again(static_site: str, page: Page) -> None:
    asked: list[Route] = []

    def refuse_once(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(status=429, json={"error": {"sentence": "32 pages watch already"}})
            return
        model = {"model": "churn", "versions": 1, "highest": "1.0.0", "aliases": {}, "deploying": None}
        body = json.dumps({"registry": "default", "at": "/srv/models", "models": [model], "deployments": []})
        text = f"retry: 60000\n\nevent: look\ndata: {body}\n\n"
        route.fulfill(headers={"Content-Type": "text/event-stream"}, body=text)

    known = {"registries": [{"name": "default", "at": "/srv/models"}], "default": "default"}
    page.route("**/api/deployment/registries", lambda route: route.fulfill(json=known))
    page.route("**/api/deployment/live**", refuse_once)
    page.clock.install()
    page.goto(static_site + LIVE)
    expect(page.locator(".pl-live__message").first).to_contain_text("The service refused")
    page.clock.run_for(5000)
    expect(page.get_by_role("row", name="churn")).to_contain_text("1.0.0 (the only one)")
