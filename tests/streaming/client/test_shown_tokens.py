"""Tokens: refused ones are not shown again and again, and fresh ones are shown in time."""

import base64
import json
import time

import pytest

from plumbline.streaming.client import GoneError


def jwt(ends_in_s):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + ends_in_s}).encode()).decode().rstrip("=")
    return f"e30.{claims}.sig{ends_in_s}"


def test_a_refused_token_is_not_tried_again(scripted):
    async def test(gateway, client):
        with pytest.raises(GoneError, match="401"):
            await client.publish("c", 1)
        assert len(gateway.headers) == 1
        assert gateway.headers[0]["Authorization"] == "Bearer wrong"

    scripted(test, token="wrong", prepare=lambda gateway: gateway.refuse.extend([(401, {}, "no")] * 9))


def test_a_refused_token_is_asked_for_once_more_and_not_for_ever(scripted):
    tokens = iter(("first", "second", "third"))

    async def test(gateway, client):
        with pytest.raises(GoneError, match="401"):
            await client.publish("c", 1)
        assert [headers["Authorization"] for headers in gateway.headers] == ["Bearer first", "Bearer second"]

    scripted(test, token=lambda: next(tokens), prepare=lambda gateway: gateway.refuse.extend([(401, {}, "no")] * 9))


def test_a_token_closed_with_4501_does_not_loop(scripted):
    async def test(gateway, client):
        with pytest.raises(GoneError, match=r"4501 \(bad-token\): wrong key"):
            await client.publish("c", 1)
        assert gateway.opened == 1

    async def reject(link, _):
        await link.close(4501, "wrong key")

    scripted(test, token="t", prepare=lambda gateway: gateway.answers.update(publish=reject))


def test_a_fresh_token_is_shown_before_the_old_one_ends(scripted):
    given = []

    async def source():
        given.append(jwt(2 if not given else 3600))
        return given[-1]

    async def test(gateway, client):
        async with client.subscribe("c"):
            await gateway.until(lambda: gateway.commands("auth"))
            assert gateway.commands("auth")[0]["auth"] == given[1]
            assert gateway.opened == 1
        assert len(given) == 2

    scripted(test, token=source)


def test_a_fresh_token_that_is_refused_is_logged_and_the_connection_stays(scripted, caplog):
    given = []

    def source():
        given.append(jwt(1.5 if not given else 3600))
        return given[-1]

    async def test(gateway, client):
        async with client.subscribe("c"):
            await gateway.until(lambda: gateway.commands("auth"))
            await client.publish("c", 1)
            assert gateway.opened == 1

    def prepare(gateway):
        gateway.answers["auth"] = lambda *_: {"error": {"code": "bad-token", "message": "no"}}

    scripted(test, token=source, prepare=prepare)
    assert "did not take the fresh token" in caplog.text
    assert given[1] not in caplog.text


def test_a_token_callback_that_fails_is_called_again(scripted):
    calls = []

    def source():
        calls.append(1)
        if len(calls) < 3:
            raise OSError("vault is sealed")
        return "good"

    async def test(gateway, client):
        await client.publish("c", 1)
        assert gateway.headers[0]["Authorization"] == "Bearer good"
        assert client.counts.attempts_failed == 2

    scripted(test, token=source)
