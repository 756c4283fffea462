"""The server without its process: configured targets, a bug in a tool, an answer that nobody waits for."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from plumbline.assistant import pace, server, tools, wishes
from plumbline.assistant.runs import Runs
from plumbline.catalogue import Catalogue, locate
from plumbline.web.settings import WebSettings

if TYPE_CHECKING:
    from conftest import Assistant


@pytest.fixture
def inside(catalogue: Catalogue, assistant_on) -> Iterator[Assistant]:
    with Runs(catalogue) as runs, assistant_on(server.build(tools.Desk(catalogue, runs))) as session:
        yield session


def test_a_configured_target_is_taken_by_name_and_its_address_stays_here(
    inside: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "targets.toml"
    config.write_text('[targets.production]\nurl = "wss://feed.internal.example/ws"\n')
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(config))
    assert inside.answer("list_diagnostics")["targets"] == ["lab", "production"]
    report = inside.answer("run_diagnostic", ids=["host.far"], target="production")
    assert report["results"][0]["status"] == "ok"
    assert report["target"] == "production"
    assert "internal.example" not in json.dumps(report)


def test_a_wrong_configuration_of_targets_is_one_sentence(
    inside: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "targets.toml"
    config.write_text("[targets.production]\nhost = 1\n")
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(config))
    assert "[targets.production] has the unknown key 'host'" in inside.refusal("run_diagnostic")


def test_a_bug_in_a_tool_is_an_error_for_the_assistant_and_a_traceback_for_the_log(
    inside: Assistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("internal detail")

    monkeypatch.setattr(tools, "found", broken)
    with caplog.at_level(logging.ERROR):
        said = inside.refusal("search_handbook", query="slow")
    assert said == "search_handbook failed (KeyError); the server's standard error has the details"
    assert "internal detail" in caplog.text


def test_a_handbook_that_broke_meanwhile_is_said_so(tmp_path: Path, assistant_on) -> None:
    path = tmp_path / "docs/troubleshooting/host/odd.md"
    path.parent.mkdir(parents=True)
    path.write_text("no front matter\n")
    catalogue = Catalogue(tmp_path)
    with Runs(catalogue) as runs, assistant_on(server.build(tools.Desk(catalogue, runs))) as session:
        assert session.refusal("read_guide", id="host.odd") == "the handbook has faults (1); 'plumb check' lists them"
        with pytest.raises(MCPError, match="the handbook has faults"):
            session.do(session.client.list_resources)


def test_an_assistant_that_goes_away_in_the_middle_of_an_answer_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut(_: Catalogue) -> None:
        async with anyio.create_task_group():
            raise BrokenPipeError

    monkeypatch.setattr(server, "_serve", cut)
    server.serve(Catalogue(Path("unused")))


def test_the_reference_page_lists_the_tools_as_they_are() -> None:
    page = (locate().root / "docs/reference/mcp.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [tool.name for tool in tools.TOOLS]
    assert f"`limit` (5; {wishes.MOST_RESULTS} at most)" in page


def test_an_assistant_may_start_as_many_runs_as_a_page(tmp_path: Path) -> None:
    settings = WebSettings(site=tmp_path)
    assert (settings.active_runs, settings.starts_per_minute) == (pace.ACTIVE, pace.PER_MINUTE)
