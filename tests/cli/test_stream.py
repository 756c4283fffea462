"""`plumb stream` against a real gateway: what it prints, how it fails, how it ends."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from plumbline.cli.main import main
from plumbline.streaming import Client, Gateway

PLUMB = str(Path(sys.executable).with_name("plumb"))
PATIENCE_S = 30


class Running:
    """A gateway in a thread of its own."""

    def __init__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _main(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with Gateway() as gateway:
            self.url = gateway.url
            self._ready.set()
            await self._over.wait()

    def stop(self):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def url():
    gateway = Running()
    yield gateway.url
    gateway.stop()


def plumb(*words, **options):
    return CliRunner().invoke(main, ["stream", *words], **options)


def test_what_is_published_is_in_history(url):
    first = plumb("publish", url, "hist", '{"score": 0.93}')
    assert first.exit_code == 0, first.output
    epoch, _, offset = first.output.strip().rpartition(":")
    assert offset == "1"
    assert plumb("publish", url, "hist", "plain words").exit_code == 0
    shown = plumb("history", url, "hist", "--json")
    assert [json.loads(line)["data"] for line in shown.output.splitlines()] == [{"score": 0.93}, "plain words"]
    later = plumb("history", url, "hist", "--since", f"{epoch}:1")
    assert later.output == f'hist  {epoch}:2  "plain words"\n'
    lost = plumb("history", url, "hist", "--since", "other:1")
    assert lost.exit_code == 1
    assert "does not reach back to other:1" in lost.output


def test_each_line_of_standard_input_is_a_message(url):
    result = plumb("publish", url, "lines", "-", "--json", input='1\n"two"\nthree\n')
    assert [json.loads(line)["offset"] for line in result.output.splitlines()] == [1, 2, 3]
    shown = plumb("history", url, "lines", "--json", "--limit", "2")
    assert [json.loads(line)["data"] for line in shown.output.splitlines()] == ["two", "three"]


def test_data_can_be_kept_as_text_and_a_key_stores_once(url):
    first = plumb("publish", url, "keyed", "42", "--text", "--key", "k")
    assert plumb("publish", url, "keyed", "42", "--text", "--key", "k").output == first.output
    assert json.loads(plumb("history", url, "keyed", "--json").output)["data"] == "42"


def test_a_subscription_prints_what_comes_and_ends_after_count(url):
    position = plumb("publish", url, "sub", "0").output.strip()
    for n in (1, 2, 3):
        plumb("publish", url, "sub", str(n))
    shown = plumb("subscribe", url, "sub", "--since", position, "--count", "2", "--json")
    assert [json.loads(line)["data"] for line in shown.output.splitlines() if line.startswith("{")] == [1, 2]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_what_is_lost_is_shown_as_a_gap(url, as_json):
    async def test():
        words = ("subscribe", url, "lost", "--since", "old:7", "--count", "1", *as_json)
        shown = asyncio.ensure_future(asyncio.to_thread(plumb, *words))
        async with Client(url) as client:
            while not shown.done():
                await client.publish("lost", "hello")
                await asyncio.wait([shown], timeout=0.1)
        return shown.result().output

    gap = next(line for line in asyncio.run(test()).splitlines() if "gap" in line)
    if as_json:
        assert json.loads(gap)["since"] == "old:7"
    else:
        assert gap.startswith("lost  gap after old:7, goes on after ")


def test_ctrl_c_ends_a_subscription_without_a_traceback(url):
    with subprocess.Popen(
        [PLUMB, "stream", "subscribe", url, "live", "--join"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        said = child.stderr.readline()
        assert said.startswith("plumb: connected to ws://")
        asyncio.run(_publish_until_seen(url, child))
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 130
    assert "Traceback" not in errors


async def _publish_until_seen(url, child):
    """Publish until the child prints something: it may not have subscribed yet."""
    seen = asyncio.ensure_future(asyncio.to_thread(child.stdout.readline))
    async with Client(url) as client:
        while not seen.done():
            await client.publish("live", "hello")
            await asyncio.wait([seen], timeout=0.1)
    assert seen.result().startswith("live  ")


def test_presence_shows_who_is_there(url):
    async def test():
        async with Client(url) as client, client.subscribe("room", join=True):
            for _ in range(200):
                result = await asyncio.to_thread(plumb, "presence", url, "room", "--json")
                if result.output:
                    return json.loads(result.output), client.sockets[0].client
        raise AssertionError(result.output)

    shown, client_id = asyncio.run(test())
    assert shown["client"] == client_id


@pytest.mark.parametrize("verb", ["publish", "history", "presence", "subscribe"])
def test_a_gateway_that_is_not_there_is_one_sentence_and_exit_code_1(verb):
    words = ["x"] if verb == "publish" else []
    result = plumb(verb, "ws://127.0.0.1:9/", "c", *words, "--timeout", "0.3")
    assert result.exit_code == 1
    assert "ws://127.0.0.1:9/ cannot be reached" in result.output
    assert "Traceback" not in result.output


def test_what_is_not_the_protocol_is_said_at_once(url):
    result = plumb("presence", url.replace("ws://", "http://"), "c")
    assert result.exit_code == 1
    assert "an address is ws://HOST:PORT/" in result.output
    missing = plumb("presence", f"{url}nowhere", "c")
    assert missing.exit_code == 1
    assert "HTTP 404" in missing.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["subscribe", "ws://h/", "c", "--since", "12"], "--since is a position like"),
        (["subscribe", "ws://h/", "c", "d", "--since", "e:1"], "subscribe to one channel"),
        (["publish", "ws://h/", "c", "-", "--key", "k"], "--key names one message"),
        (["presence", "ws://h/", "two words"], "white space"),
    ],
)
def test_a_wrong_command_is_exit_code_2(words, said):
    result = plumb(*words)
    assert result.exit_code == 2
    assert said in result.output
