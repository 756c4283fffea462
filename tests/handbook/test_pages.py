"""Generated pages say what code and records say, and are written only when that changes."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from plumbline.catalogue import Catalogue
from plumbline.cli.main import main
from plumbline.handbook.load import load
from plumbline.handbook.pages import write as pages
from plumbline.handbook.pages.cli import cli_page
from plumbline.handbook.pages.http import http_page
from plumbline.handbook.pages.matrix import matrix_figure, matrix_page
from plumbline.handbook.pages.names import NAMES
from plumbline.handbook.pages.write import generate, outdated

OPENAPI = {
    "paths": {
        "/api/runs": {
            "post": {"summary": "Start a run", "responses": {"202": {"description": "Started"}}},
            "get": {"summary": "List", "parameters": [{"name": "limit", "in": "query", "schema": {"default": 10}}]},
            "parameters": [],
        }
    }
}


@pytest.fixture
def files(make, write_proof, plumb):
    catalogue = make("streaming.slow", "host.full")
    write_proof(catalogue, "streaming.slow")
    return catalogue, generate(catalogue, plumb, OPENAPI)


def test_every_announced_page_is_generated_and_no_other(files) -> None:
    generated = {path.rpartition("/")[2] for path in files[1] if path.startswith("docs/reference/generated/")}
    assert generated == set(NAMES)


def test_pages_say_what_they_are_made_from(files) -> None:
    _, found = files
    shown = {path.rpartition("/")[2]: text for path, text in found.items()}
    assert (
        "| `NEARLY` | share of the limit in use | 80 % | `1` | judgement: `ulimit` minus a fifth |"
        in shown["diagnostics.md"]
    )
    assert "[Clients of host.full stall](../../troubleshooting/host/full.md)" in shown["diagnostics.md"]
    assert "## FileDescriptors {#filedescriptors}" in shown["evidence.md"]
    assert "| `open` | `{descriptor}` | descriptors that the process holds now | public |" in shown["evidence.md"]
    assert "Judged by [`host.full`](diagnostics.md#host-full)" in shown["evidence.md"]
    assert "### OutboundQueue {#outboundqueues-outboundqueue}" in shown["evidence.md"]
    assert "**1 of 2 guides are proven as they stand here.**" in shown["proofs.md"]
    assert "| ✓ proven | 2025-11-23 | 1.5 s | 2.5 s | 3 of 3 | 0 of 4 | 1, 2, 1 |" in shown["proofs.md"]
    assert "## Streaming" in shown["problems.md"]
    assert "page: wake somebody" in shown["problems.md"]
    assert "| `POST /api/runs` | Start a run |" in shown["http.md"]
    assert "(default `10`)" in shown["http.md"]


def test_the_commands_page_has_every_command_and_option(plumb) -> None:
    text = cli_page(plumb)
    assert "## plumb gateway serve {#plumb-gateway-serve}" in text
    assert "| `--format [human\\|json]` |" in text
    assert "plumb practice [OPTIONS] PROBLEM" in text


def test_the_real_commands_all_have_a_help_text() -> None:
    text = cli_page(main)
    assert "## plumb check {#plumb-check}" in text
    assert "Write nothing; say what is out of date" in text


def test_without_the_app_the_http_page_says_what_to_install() -> None:
    assert "pip install 'plumbline[web]'" in http_page(None)


def test_the_matrix_is_a_picture_that_says_in_words_what_it_shows(files) -> None:
    handbook = load(files[0])
    picture = ET.fromstring(matrix_figure(handbook, [*handbook.proofs.values()], ["host.full", "streaming.slow"]))
    svg = picture.find("svg")
    assert svg.get("role") == "img"
    assert "Red under streaming.slow: streaming.slow." in svg.find("desc").text
    cells = svg.findall("g")
    assert [cell.find("title").text for cell in cells] == [
        "streaming.slow: host.full is unknown",
        "streaming.slow: streaming.slow is critical",
    ]
    assert [cell.find("text").text for cell in cells] == ["?", "✕"]
    assert "| ✕ critical (ok) |" in matrix_page(handbook)


def test_a_red_cell_that_no_record_declares_stands_out(make, write_proof) -> None:
    catalogue = make("streaming.slow", "host.full")
    cell = {"healthy": "ok", "fault": "warning"}
    write_proof(catalogue, "streaming.slow", matrix={"streaming.slow": cell, "host.full": cell})
    handbook = load(catalogue)
    picture = ET.fromstring(matrix_figure(handbook, [*handbook.proofs.values()], ["host.full", "streaming.slow"]))
    assert [box.get("stroke-dasharray") for box in picture.iter("rect")] == ["4 3", None]


def test_without_proofs_matrix_and_report_say_how_to_record_one(make, plumb) -> None:
    catalogue = make("streaming.slow")
    found = generate(catalogue, plumb, None)
    assert "`plumb prove --record`" in found["docs/reference/generated/matrix.md"]
    assert "? not yet proven" in found["docs/reference/generated/proofs.md"]


def test_a_stale_and_a_failed_proof_are_not_called_proven(make, write_proof, plumb) -> None:
    catalogue = make("streaming.slow", "host.full")
    write_proof(catalogue, "streaming.slow", inputs={})
    write_proof(catalogue, "host.full", proven=False)
    report = generate(catalogue, plumb, None)["docs/reference/generated/proofs.md"]
    assert "**0 of 2 guides" in report
    assert "▲ stale" in report
    assert "✕ not proven" in report


def test_only_what_changed_is_written_and_what_is_no_longer_generated_goes(files, change, plumb, write) -> None:
    catalogue, found = files
    assert sorted(pages.write(catalogue, found)) == sorted(found)
    assert pages.write(catalogue, found) == []
    write(catalogue.root, "docs/reference/generated/old.md", "# Old\n")
    change(catalogue, "docs/troubleshooting/host/full.md", "component: gateway", "component: machine")
    again = generate(catalogue, plumb, OPENAPI)
    late = ["docs/reference/generated/old.md", "docs/reference/generated/problems.md"]
    assert outdated(catalogue, again) == late
    assert pages.write(catalogue, again) == late
    assert not (catalogue.root / "docs/reference/generated/old.md").exists()


def test_published_ids_are_only_ever_added(make, plumb) -> None:
    catalogue = make("streaming.slow", "host.full")
    pages.write(catalogue, generate(catalogue, plumb, None))
    for path in catalogue.root.glob("*/*/host/full.*"):
        path.unlink()
    published = generate(catalogue, plumb, None)["kb/published.txt"]
    assert published.splitlines()[1:] == ["host.full", "streaming.slow"]


def test_llms_txt_lists_guides_and_pages(files) -> None:
    text = files[1]["docs/llms.txt"]
    assert (
        "- [Clients of host.full stall](troubleshooting/host/full/): What to do when clients of host.full stall."
        in text
    )
    assert "- [Diagnostics](reference/generated/diagnostics/): Every diagnostic" in text


def run(catalogue: Catalogue, *words: str):
    return CliRunner().invoke(main, ["--catalogue", str(catalogue.root), *words])


def test_plumb_docs_writes_and_its_check_tells_what_is_late(make, change) -> None:
    catalogue = make("streaming.slow")
    (catalogue.root / "kb").mkdir(exist_ok=True)
    late = run(catalogue, "docs", "--check")
    assert late.exit_code == 1
    assert "docs/reference/generated/cli.md: out of date" in late.output
    assert "docs/llms.txt: written" in run(catalogue, "docs").output
    done = run(catalogue, "docs", "--check")
    assert (done.exit_code, done.output) == (0, f"{len(NAMES) + 2} generated files are up to date\n")  # llms.txt, ids


def test_plumb_docs_writes_nothing_from_a_broken_or_missing_catalogue(make, change, tmp_path) -> None:
    catalogue = make("streaming.slow")
    change(catalogue, "kb/streaming/slow/problem.yml", "title: Clients", "titel: Clients")
    broken = run(catalogue, "docs")
    assert broken.exit_code == 1
    assert "kb/streaming/slow/problem.yml:2: unknown key 'titel'" in broken.output
    assert run(Catalogue(tmp_path / "none"), "docs").exit_code == 2


def test_plumb_check_lists_complaints_and_exits_with_1(make, change, tmp_path) -> None:
    catalogue = make("streaming.slow")
    change(catalogue, "kb/streaming/slow/problem.yml", "anchor: fix", "anchor: fixx")
    done = run(catalogue, "check")
    assert done.exit_code == 1
    assert "kb/streaming/slow/problem.yml:17: anchor 'fixx' does not exist; did you mean 'fix'?" in done.stdout
    assert run(Catalogue(tmp_path / "none"), "check").exit_code == 2


def test_a_proof_record_round_trips_through_json(files) -> None:
    proof = load(files[0]).proofs["streaming.slow"]
    assert json.loads(proof.model_dump_json(by_alias=True))["schema"] == "plumbline.proof/1"
    assert [one.register_ for one in proof.found] == ["complaint", "complaint", "log"]
