"""The examples of the reference page run, against a real gateway."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plumbline.streaming import Gateway
from plumbline.streaming.client import Options
from plumbline.streaming.client.backoff import BackoffPolicy
from plumbline.streaming.client.verdict import MAX_RETRY_AFTER_S

PAGE = (Path(__file__).parents[3] / "docs/reference/client.md").read_text()
EXAMPLES = re.findall(r"^``` python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PRINTED = [
    "scores 1 {'model': 'm7', 'score': 0.93}",
    "[0, 1, 2]",
    "{'EUR': 1.0, 'USD': 1.1}",
    "True 1",
    "['hello'] 1",
    "ws://",
]


@pytest.fixture
def gateway():
    """Return the port of a fresh gateway."""
    ready, over = threading.Event(), []

    async def serve():
        async with Gateway() as one:
            over.extend((asyncio.get_running_loop(), asyncio.Event(), one.url))
            ready.set()
            await over[1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield over[2].rstrip("/").rpartition(":")[2]
    over[0].call_soon_threadsafe(over[1].set)
    thread.join(30)


@pytest.mark.parametrize(("example", "printed"), list(zip(EXAMPLES, PRINTED, strict=True)))
def test_an_example_runs_and_prints_what_it_should(gateway, example, printed):
    with contextlib.closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: whoever comes is refused
        text = example.replace(":8765/", f":{gateway}/").replace(":8766/", f":{nobody.getsockname()[1]}/")
        command = [sys.executable, "-W", "error", "-c", text]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert ended.stdout.startswith(printed)


def test_the_figures_of_the_page_are_those_of_the_code():
    policy, options = BackoffPolicy(), Options()
    delays = f"between {policy.floor_s:g} s and a ceiling that doubles from {policy.base_s:g} s to {policy.cap_s:g} s"
    assert delays in PAGE
    assert f"lasted {policy.stable_s:g} s resets" in PAGE
    assert f"`subscriptions_per_socket` channels ({options.subscriptions_per_socket};" in PAGE
    assert f"`max_sockets` ({options.max_sockets})" in PAGE
    assert MAX_RETRY_AFTER_S == 3600
