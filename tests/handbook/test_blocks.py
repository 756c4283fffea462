"""Blocks are complete without JavaScript, say their state in words, and escape what records say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown import Markdown

from plumbline.catalogue import Catalogue, CatalogueError
from plumbline.handbook.complaints import HandbookError


def render(catalogue: Catalogue, text: str) -> str:
    configs = {"plumbline": {"catalogue": str(catalogue.root)}}
    return Markdown(extensions=["plumbline", "toc", "attr_list"], extension_configs=configs).convert(text)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_diagnostic_block_is_complete_without_a_recorded_proof(make) -> None:
    html = render(make("streaming.slow"), "/// diagnostic | streaming.slow\n///")
    said = words(html)
    assert "Is the process of streaming.slow out of descriptors?" in said
    assert "plumb diagnose streaming.slow" in said
    assert "Share of the limit in use NEARLY 80 % judgement: ulimit minus a fifth" in said
    assert "FileDescriptors : /proc/&lt;pid&gt;/fd" in said
    assert "No output is recorded yet. plumb prove streaming.slow --record" in said
    assert '<div class="pl-live" data-pl-live=""></div>' in html


def test_a_recorded_proof_adds_both_outputs(make, write_proof) -> None:
    catalogue = make("streaming.slow")
    write_proof(catalogue, "streaming.slow")
    html = render(catalogue, "/// diagnostic | streaming.slow\n///")
    assert "Recorded output with the fault in: ✕ critical" in words(html)
    assert "Recorded output after the fix: ✓ ok" in words(html)
    assert "open share 93 % 80 %" in words(html)
    assert "Cause: one-slow-reader" in words(html)
    assert "No output is recorded" not in html


def test_output_recorded_by_another_problems_proof_is_taken(make, write_proof, write) -> None:
    catalogue = make("streaming.slow", "host.full")
    path = write_proof(catalogue, "host.full")
    path.write_text(
        path.read_text().replace('"id": "host.full",\n    "question"', '"id": "streaming.slow",\n    "question"')
    )
    write(catalogue.root, "docs/proof/streaming/slow.json", "no JSON")
    assert "Recorded output with the fault in" in render(catalogue, "/// diagnostic | streaming.slow\n///")


def test_a_problem_block_shows_the_whole_record(make) -> None:
    said = words(render(make("streaming.slow"), "/// problem | streaming.slow\n///"))
    for text in (
        "page: wake somebody",
        "Component gateway",
        "Linux, macOS",
        "haproxy 2.6",
        "People say everything is slow",
        "You see memory grows",
        "Programs print queue full connection=7",
        "One reader does not read",
        "one queue is full",
        "It is not this one if A slow network : all queues are full",
    ):
        assert text in said


def test_blocks_add_no_heading_to_the_page(make, write_proof) -> None:
    catalogue = make("streaming.slow")
    write_proof(catalogue, "streaming.slow")
    blocks = "\n\n".join(f"/// {kind} | streaming.slow\n///" for kind in ("diagnostic", "problem", "proof"))
    assert re.findall(r"<h[1-6]", render(catalogue, f"# One\n\n{blocks}\n")) == ["<h1"]


def test_what_a_record_says_is_never_markup(make, change) -> None:
    catalogue = make("streaming.slow")
    change(catalogue, "kb/streaming/slow/problem.yml", "everything is slow", '"<script>x</script> **b** [l](u) `a<b`"')
    html = render(catalogue, "/// problem | streaming.slow\n///")
    assert "&lt;script&gt;x&lt;/script&gt; **b** [l](u) <code>a&lt;b</code>" in html


@pytest.mark.parametrize(
    ("state", "changes", "said"),
    [
        ("proven", {}, "✓ Proven on 2025-11-23"),
        (
            "failed",
            {"proven": False, "phases": [{"name": "red", "ok": False, "sentence": "Still ok.", "duration_s": 30.0}]},
            "✕ Not proven on 2025-11-23 The last run did not prove this guide. The phase “red” failed: Still ok.",
        ),
        (
            "stale",
            {"inputs": {}},
            "▲ Stale on 2025-11-23 It was proven, but since then this guide, its diagnostic, the",
        ),
    ],
)
def test_the_proof_card_says_its_state_in_words(make, write_proof, state: str, changes: dict, said: str) -> None:
    catalogue = make("streaming.slow")
    write_proof(catalogue, "streaming.slow", **changes)
    html = render(catalogue, "/// proof | streaming.slow\n///")
    assert f'data-state="{state}"' in html
    assert said in words(html)


def test_a_guide_without_a_proof_says_so_and_how_to_prove_it(make) -> None:
    said = words(render(make("streaming.slow"), "/// proof | streaming.slow\n///"))
    assert "? Not yet proven Nobody has executed this guide" in said
    assert "plumb prove streaming.slow --record" in said


def test_the_proof_card_has_times_decoys_ranks_and_versions_but_no_held_out_query(make, write_proof) -> None:
    catalogue = make("streaming.slow")
    write_proof(catalogue, "streaming.slow")
    said = words(render(catalogue, "/// proof | streaming.slow\n///"))
    for text in ("Red after 1.5 s", "Green after the fix 2.5 s", "decoy-buffer (still critical): it fills too",
                 "complaint: rank 1, 2; log: rank 1", "in 3 of 3 runs with the fault, in 0 of 4 without", "python 3.11",
                 "baseline (held, 1.0 s): All ok."):  # fmt: skip
        assert text in said
    assert "a held-out paraphrase" not in said


def test_a_proof_goes_stale_when_its_guide_changes(make, write_proof, change) -> None:
    catalogue = make("streaming.slow")
    write_proof(catalogue, "streaming.slow")
    change(catalogue, "docs/troubleshooting/streaming/slow.md", "Clients stall", "Clients hang")
    said = words(render(catalogue, "/// proof | streaming.slow\n///"))
    assert "since then this guide changed. Prove it again" in said


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("diagnostic | streaming.slaw", "diagnostic 'streaming.slaw' does not exist; did you mean 'streaming.slow'?"),
        ("problem | streaming.slaw", "problem 'streaming.slaw' does not exist; did you mean 'streaming.slow'?"),
        ("proof | streaming", "'streaming' is no id"),
    ],
)
def test_an_unknown_id_ends_the_build_with_what_was_meant(make, block: str, said: str) -> None:
    catalogue = make("streaming.slow")
    with pytest.raises(HandbookError, match=re.escape(said)):
        render(catalogue, f"/// {block}\n///")


def test_a_broken_record_or_diagnostic_ends_the_build_with_its_line(make, change) -> None:
    catalogue = make("streaming.slow")
    change(catalogue, "kb/streaming/slow/problem.yml", "severity: page", "severity: pge")
    with pytest.raises(HandbookError, match=r"kb/streaming/slow/problem.yml:3: 'severity' is 'pge'"):
        render(catalogue, "/// proof | streaming.slow\n///")
    change(catalogue, "diagnostics/streaming/slow.py", "@diagnostic\n", "")
    with pytest.raises(HandbookError, match=r"diagnostics/streaming/slow.py:1: declares no diagnostic"):
        render(catalogue, "/// diagnostic | streaming.slow\n///")


def test_a_diagnostic_that_changes_while_pages_are_served_is_read_again(make, change) -> None:
    catalogue = make("streaming.slow")
    markdown = Markdown(extensions=["plumbline"], extension_configs={"plumbline": {"catalogue": str(catalogue.root)}})
    page = "/// diagnostic | streaming.slow\n///"
    assert "80 %" in markdown.convert(page)
    change(catalogue, "diagnostics/streaming/slow.py", "Threshold(0.8", "Threshold(0.7")
    assert "70 %" in markdown.reset().convert(page)


def test_the_extension_finds_the_catalogue_by_itself(make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLUMBLINE_CATALOGUE", str(make("streaming.slow").root))
    monkeypatch.chdir("/")
    assert "pl-problem" in Markdown(extensions=["plumbline"]).convert("/// problem | streaming.slow\n///")
    monkeypatch.setenv("PLUMBLINE_CATALOGUE", str(tmp_path))
    with pytest.raises(CatalogueError, match="is no catalogue"):
        Markdown(extensions=["plumbline"]).convert("/// problem | streaming.slow\n///")
