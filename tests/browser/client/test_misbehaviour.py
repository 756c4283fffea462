"""The browser's client in a real Chromium, against gateways of the test's: they refuse, forget, repeat, leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page
from websockets.sync.server import ServerConnection

from .conftest import Script, ok, seen, start, tell


def test_a_close_for_good_is_not_repeated(page: Page, origin: str, script: Callable[..., Script]) -> None:
    bad = script(lambda _, link, __: link.close(4501, "wrong key"))
    start(page, origin, bad.url, channels=["c"], token="abc.def")
    error = seen(page, "error", 1)[0]
    assert "wrong key" in error["sentence"]
    assert page.evaluate("source.readyState") == 2
    assert bad.opened == 1
    assert "bearer.abc.def" in bad.protocols[0]


def test_a_missing_message_is_fetched_and_a_double_is_dropped(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if "unsubscribe" in command:
            ok(link, command)
        elif "since" in command:
            ok(link, command, offset=3, recovered=True, messages=2)
            for offset in (2, 3, 3):
                tell(link, channel="c", offset=offset, data=offset)
        else:
            ok(link, command)
            for offset in (1, 3):
                tell(link, channel="c", offset=offset, data=offset)

    patchy = script(act)
    start(page, origin, patchy.url, channels=["c"])
    assert [message["offset"] for message in seen(page, "message", 3)] == [1, 2, 3]
    page.wait_for_function("source.counts.duplicates === 1")
    assert page.evaluate("source.counts.holes") == 1
    assert patchy.heard[-1]["since"] == {"epoch": "e", "offset": 1}


def test_a_notice_is_followed_by_a_new_connection_that_goes_on(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        ok(link, command, **({"recovered": True} if "since" in command else {}))
        if self.opened == 1:
            tell(link, reconnect={"after_s": 0.1, "within_s": 30, "because": "drain"})

    draining = script(act)
    start(page, origin, draining.url, channels=["c"])
    seen(page, "open", 2)
    assert page.evaluate("seen.some((e) => e.type === 'error' || e.type === 'gap')") is False
    page.wait_for_function("source.readyState === 1")


def test_a_channel_that_is_refused_is_told_and_the_others_go_on(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    tries: list[int] = []

    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if command["subscribe"] == "secret":
            tell(link, id=command["id"], error={"code": "not-allowed", "message": "no"})
        elif not tries:
            tries.append(1)
            tell(link, id=command["id"], error={"code": "unavailable", "message": "later", "retry_after_s": 0.01})
        else:
            ok(link, command)
            tell(link, channel="c", offset=1, data="here")
            tell(link, channel="c", ended={"code": "insufficient-state", "message": "m", "again": len(tries) < 2})
            tries.append(1)

    strict = script(act)
    start(page, origin, strict.url, channels=["secret", "c"])
    refused = seen(page, "refused", 2)
    assert refused[0]["code"] == "not-allowed"
    assert seen(page, "message", 1)[0]["data"] == "here"


def test_nonsense_ends_the_connection_and_the_next_one_serves(
    page: Page, origin: str, script: Callable[..., Script]
) -> None:
    def act(self: Script, link: ServerConnection, command: dict[str, Any]) -> None:
        if self.opened == 1:
            link.send("no json")
        else:
            ok(link, command)

    start(page, origin, script(act).url, channels=["c"])
    assert "no JSON" in seen(page, "error", 1)[0]["sentence"]
    page.wait_for_function("source.position('c')")
