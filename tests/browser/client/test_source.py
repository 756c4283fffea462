"""The browser's client in a real Chromium, against a real gateway."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from plumbline.streaming.client.verdict import of_close
from plumbline.streaming.core.closes import CODES

from .conftest import Real, seen, start


def test_messages_arrive_and_go_on_after_a_cut_each_once(page: Page, origin: str, gateway: Callable[..., Real]) -> None:
    real = gateway()
    start(page, origin, real.url, channels=["scores"])
    page.wait_for_function("source.position('scores')")
    real.publish("scores", {"n": 1})
    seen(page, "message", 1)
    real.drop_all()
    for n in (2, 3):
        real.publish("scores", {"n": n})
    messages = seen(page, "message", 3)
    assert [message["data"]["n"] for message in messages] == [1, 2, 3]
    assert [message["offset"] for message in messages] == [1, 2, 3]
    assert messages[2]["lastEventId"] == f"{messages[2]['epoch']}:3"
    assert page.evaluate("source.counts") == {"messages": 3, "duplicates": 0, "holes": 0, "gaps": 0, "connected": 2}
    assert page.evaluate("seen.filter((e) => e.type === 'error').length") == 1


def test_a_gateway_that_forgot_everything_is_told_as_a_gap(
    page: Page, origin: str, gateway: Callable[..., Real]
) -> None:
    first = gateway()
    start(page, origin, first.url, channels=["c"])
    page.wait_for_function("source.position('c')")
    first.publish("c", 1)
    seen(page, "message", 1)
    port = first.port
    first.stop()
    second = gateway(port)
    gap = seen(page, "gap", 1)[0]
    assert gap["since"]["offset"] == 1
    assert gap["until"]["epoch"] != gap["since"]["epoch"]
    second.publish("c", "after")
    assert seen(page, "message", 2)[1]["data"] == "after"


def test_a_source_that_is_closed_stays_closed(page: Page, origin: str, gateway: Callable[..., Real]) -> None:
    real = gateway()
    start(page, origin, real.url, channels=["c"])
    seen(page, "open", 1)
    page.evaluate("source.close()")
    page.wait_for_function("source.readyState === 2")
    assert page.evaluate("seen.filter((e) => e.type === 'error').length") == 0


def test_the_pure_rules_are_those_of_the_python_client(page: Page, origin: str) -> None:
    page.goto(origin)
    codes = [*CODES, 4000, 4499, 4500, 4999, 1013]
    judged = page.evaluate(
        """async (codes) => {
          const rules = await import("/plumbline-comeback.js");
          return codes.map((code) => [rules.verdict(code), rules.atLeast(code) / 1000]);
        }""",
        codes,
    )
    for code, (meaning, wait_s) in zip(codes, judged, strict=True):
        ours = of_close(code, "")
        assert meaning == ("token" if ours.fresh_token else "again" if ours.again else "never"), code
        assert wait_s == ours.at_least_s, code


def test_no_delay_is_below_the_floor_or_above_the_cap(page: Page, origin: str) -> None:
    page.goto(origin)
    delays = page.evaluate(
        """async () => {
          const { delay } = await import("/plumbline-comeback.js");
          const failures = [...Array(100).keys()];
          return [0, 0.5, 0.999999].flatMap((chance) => failures.map((n) => [n, chance, delay(n, () => chance)]));
        }"""
    )
    assert all(100 <= wait <= min(30_000, 500 * 2**n) for n, _, wait in delays)
    assert {wait for _, chance, wait in delays if chance == 0} == {100}
