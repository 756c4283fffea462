"""A small catalogue, the real server as a process, and the official client on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

from plumbline.catalogue import Catalogue

PLUMB = str(Path(sys.executable).with_name("plumb"))
DIAGNOSTIC = '''#!/usr/bin/env -S plumb run
"""Is the answer {name}?

A diagnostic of the tests.
"""

import time
from dataclasses import dataclass
from typing import ClassVar

from plumbline.diagnosis import Finding, Measure, Threshold, diagnostic, ok
from plumbline.evidence import Endpoint, Source, measured

LIMIT = Threshold(3.0, unit="s", source="judgement: the test's own")


def read(endpoint: Endpoint) -> "Answer":
    print("on standard output")
    time.sleep({sleep})
    return Answer(1.0)


@dataclass(frozen=True)
class Answer:
    """One number."""

    value: float = measured("s", "The number.")
    owner: str = measured("", "Who has it.", secrecy="internal", default="alice-of-accounting")
    password: str = measured("", "Never leaves.", secrecy="secret", default="hunter2-canary")
    contact: str = measured("", "Free text.", default="alice@example.com")
    sources: ClassVar[tuple[Source, ...]] = (Source(frozenset({needs}), "the number of {{url}}", read),)


@diagnostic(timeout_s=60)
def answer(evidence: Answer) -> Finding:
    told = f"{{evidence.owner}} ({{evidence.password}}, {{evidence.contact}}) needs 1 s"
    return ok(told, Measure("answer", evidence.value, "s", LIMIT))
'''
GUIDE = """---
title: The answer is slow
description: It takes longer than it should.
diagnostics: [host.quick, host.slow]
severity: ticket
component: the answer
related: []
---

# The answer is slow

Symptom
-------

It takes a day.

## Fix { #mend }

/// diagnostic | host.quick
///

/// problem | host.quick
///

/// proof | host.quick
///
"""
PROBLEM = """id: host.quick
title: The answer is slow
severity: ticket
platforms: [linux, macos]
symptoms:
  complaint: [it takes a day]
causes:
  - {id: tired, title: It is tired, evidence: it yawns, anchor: mend}
paraphrases: [why does it take a day]
"""


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A handbook with one guide, a quick diagnostic, a slow one, and one that needs an address."""
    root = tmp_path_factory.mktemp("assistant") / "catalogue"
    for name, sleep, needs in (("quick", 0, ""), ("slow", 50, ""), ("far", 0, "{'url'}")):
        path = root / f"diagnostics/host/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DIAGNOSTIC.format(name=name, sleep=sleep, needs=needs))
        path.chmod(0o755)
    files = {
        "docs/troubleshooting/host/quick.md": GUIDE,
        "kb/host/quick/problem.yml": PROBLEM,
        "kb/retired.yml": "host.old: {successor: host.quick}\nhost.gone: {reason: nobody has it any more}\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Catalogue(root)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder without plumbline.toml and without a lab."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="session")
def environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PLUMBLINE_CONFIG"}
    return kept | {"PLUMBLINE_STATE": str(place / "state"), "PLUMBLINE_SEARCH_GAPS": "off"}


class Assistant:
    """The official client, for tests that are not asynchronous."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal = portal
        self.client = client

    def __call__(self, tool: str, **arguments: Any) -> CallToolResult:
        async def call() -> CallToolResult:
            return await self.client.call_tool(tool, arguments)

        return self._portal.call(call)

    def do(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return self._portal.call(method, *arguments)

    def answer(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self(tool, **arguments)
        assert not result.is_error, result.content
        return dict(result.structured_content or {})

    def refusal(self, tool: str, **arguments: Any) -> str:
        result = self(tool, **arguments)
        assert result.is_error
        assert result.structured_content is None
        (content,) = result.content
        assert content.type == "text"
        assert "\n" not in content.text
        return content.text


@contextmanager
def assistant(server: Any) -> Iterator[Assistant]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:
        yield Assistant(portal, client)


@pytest.fixture(scope="session")
def assistant_on() -> Callable[[Any], AbstractContextManager[Assistant]]:
    """Opens a session with any server."""
    return assistant


@pytest.fixture(scope="session")
def handbook(place: Path, environment: dict[str, str]) -> Iterator[Assistant]:
    """A session with `plumb mcp` on this repository's handbook."""
    parameters = StdioServerParameters(command=PLUMB, args=["mcp"], env=environment, cwd=place)
    with assistant(parameters) as session:
        yield session


@pytest.fixture(scope="session")
def small(catalogue: Catalogue, place: Path, environment: dict[str, str]) -> Iterator[Assistant]:
    """A session with `plumb mcp` on the small handbook."""
    arguments = ["--catalogue", str(catalogue.root), "mcp"]
    parameters = StdioServerParameters(command=PLUMB, args=arguments, env=environment, cwd=place)
    with assistant(parameters) as session:
        yield session


class Wire:
    """The server as a process, and the bare protocol: a line there, lines back."""

    def __init__(self, catalogue: Catalogue, place: Path, environment: dict[str, str]) -> None:
        command = [PLUMB, "--catalogue", str(catalogue.root), "mcp"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place, env=environment
        )
        assert self.process.stdin
        assert self.process.stdout
        self.to, self.back = self.process.stdin, self.process.stdout
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.send(id=0, method="initialize", params=hello)
        assert self.receive()["id"] == 0
        self.send(method="notifications/initialized")

    def send(self, **message: Any) -> None:
        self.to.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.to.flush()

    def receive(self) -> dict[str, Any]:
        message = json.loads(self.back.readline())
        assert message["jsonrpc"] == "2.0"
        return dict(message)

    def run(self, number: int, ids: list[str]) -> None:
        wanted = {"name": "run_diagnostic", "arguments": {"ids": ids}, "_meta": {"progressToken": number}}
        self.send(id=number, method="tools/call", params=wanted)

    def underway(self) -> list[psutil.Process]:
        """Start a run that hangs, and return the processes below the server once the hung check is one of them."""
        self.run(1, ["host.quick", "host.slow"])
        assert self.receive()["params"]["message"] == "host.quick: ok"
        found: list[psutil.Process] = []
        while len(found) < 2:  # the worker, and the check that hangs
            found = psutil.Process(self.process.pid).children(recursive=True)
        return found


@pytest.fixture
def wire(catalogue: Catalogue, place: Path, environment: dict[str, str]) -> Iterator[Wire]:
    made = Wire(catalogue, place, environment)
    with made.process, made.to, made.back:
        yield made
        made.process.kill()
