"""The reference check finds each kind of fault, with file, line and what was meant, and never stops at the first."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.handbook.check import check
from plumbline.handbook.complaints import HandbookError
from plumbline.handbook.load import load

GUIDE = "docs/troubleshooting/streaming/slow.md"
RECORD = "kb/streaming/slow/problem.yml"
CODE = "diagnostics/streaming/slow.py"


def test_a_complete_catalogue_has_no_fault(make, complaints) -> None:
    assert complaints(make("streaming.slow", "host.full")) == []


def test_all_faults_are_told_at_once_and_sorted(make, change, plumb) -> None:
    catalogue = make("streaming.slow", "host.full")
    change(catalogue, GUIDE, "(#fix)", "(#fixx)")
    change(catalogue, RECORD, "collateral: []", "collateral: [host.fall]")
    change(catalogue, "docs/troubleshooting/host/full.md", "(../index.md)", "(../nowhere.md)")
    found = check(catalogue, plumb)
    assert found == sorted(found)
    assert [one.path for one in found] == ["docs/troubleshooting/host/full.md", GUIDE, RECORD]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (GUIDE, [f"{CODE}:1: diagnostic 'streaming.slow' is cited by no guide",
                 "kb/streaming/slow/fault.py:1: fault 'streaming.slow' has no guide",
                 f"{RECORD}:1: problem record 'streaming.slow' has no guide"]),
        (RECORD, [f"{GUIDE}:1: guide 'streaming.slow' has no problem record"]),
        ("kb/streaming/slow/fault.py", [f"{GUIDE}:1: guide 'streaming.slow' has no fault"]),
        (CODE, [f"{GUIDE}:4: diagnostic 'streaming.slow' does not exist"]),
    ],
)  # fmt: skip
def test_orphans_and_gaps_are_told(make, gone: str, said: list[str], complaints) -> None:
    catalogue = make("streaming.slow", "host.full")
    (catalogue.root / gone).unlink()
    found = complaints(catalogue)
    assert [line for line in said if not any(one.startswith(line) for one in found)] == []


def test_a_guide_that_cannot_be_read_does_not_make_what_it_cites_an_orphan(make, complaints, change) -> None:
    catalogue = make("streaming.slow", "host.full")
    change(catalogue, GUIDE, "title: C", "titel: C")
    assert {one.partition(":")[0] for one in complaints(catalogue)} == {GUIDE}
    change(catalogue, GUIDE, "severity:", "severity: [\nseverity:")
    assert {one.partition(":")[0] for one in complaints(catalogue)} == {GUIDE}


def test_a_diagnostic_that_its_own_guide_does_not_list_is_an_orphan(make, complaints, change) -> None:
    catalogue = make("streaming.slow", "host.full")
    change(catalogue, GUIDE, "diagnostics: [streaming.slow]", "diagnostics: [host.full]")
    assert f"{CODE}:1: diagnostic 'streaming.slow' is cited by no guide; {GUIDE} could list it" in complaints(catalogue)


def test_the_copy_in_a_wheel_may_lack_faults_but_not_some_of_them(make, tmp_path: Path, complaints) -> None:
    catalogue = make("streaming.slow", "host.full")
    wheel = tmp_path / "plumbline/_catalogue"
    shutil.copytree(catalogue.root, wheel)
    for fault in wheel.glob("kb/*/*/fault.py"):
        fault.unlink()
    assert complaints(type(catalogue)(wheel)) == []


def test_an_empty_catalogue_is_a_fault(tmp_path: Path, make, complaints) -> None:
    empty = type(make())(tmp_path / "empty")
    assert complaints(empty) == [
        "diagnostics:1: holds no diagnostic; an empty catalogue is never green",
        "docs/troubleshooting:1: holds no guide; an empty catalogue is never green",
    ]


def test_a_retired_id_stays_retired(make, write, complaints, change) -> None:
    catalogue = make("streaming.slow", "host.full")
    retired = "streaming.slow: {successor: host.full}\nhost.old: {successor: host.fall}\nhost.gone: {reason: no more}\n"
    write(catalogue.root, "kb/retired.yml", retired)
    change(catalogue, "docs/troubleshooting/host/full.md", "related: []", "related: [host.old, host.gone]")
    found = complaints(catalogue)
    assert f"kb/retired.yml:1: id 'streaming.slow' is retired, but {GUIDE} uses it again as a guide" in found
    assert "kb/retired.yml:2: successor 'host.fall' does not exist; did you mean 'host.full'?" in found
    full = "docs/troubleshooting/host/full.md:8"
    assert f"{full}: guide 'host.old' is retired; did you mean its successor 'host.fall'?" in found
    assert f"{full}: guide 'host.gone' is retired: no more" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("streaming.x: {}", "kb/retired.yml:1: a retired id names its successor or the reason"),
        ("streeming.x: {reason: y}", "kb/retired.yml:1: 'streeming.x' has the area 'streeming'"),
        ("\nstreaming.x: {sucessor: host.full}", "kb/retired.yml:2: unknown key 'sucessor'; did you mean 'successor'?"),
        ("- x", "kb/retired.yml:1: expected 'old.id:"),
        ("streaming.x: gone", "kb/retired.yml:1: expected keys (successor, reason), found 'gone'"),
        ("a: [", "kb/retired.yml:1: is no YAML"),
    ],
)
def test_the_file_of_retired_ids_is_checked_itself(make, write, text: str, said: str, complaints) -> None:
    catalogue = make("host.full")
    write(catalogue.root, "kb/retired.yml", f"{text}\n")
    assert [one for one in complaints(catalogue) if one.startswith(said)]


def test_a_published_id_does_not_vanish_without_an_entry(make, write, complaints) -> None:
    catalogue = make("host.full")
    write(catalogue.root, "kb/published.txt", "# ids\nhost.full\nhost.fall\n")
    said = "kb/published.txt:3: published id 'host.fall' is gone: enter it in kb/retired.yml"
    assert [one for one in complaints(catalogue) if one.startswith(said) and "did you mean 'host.full'?" in one]
    write(catalogue.root, "kb/retired.yml", "host.fall: {successor: host.full}\n")
    assert complaints(catalogue) == []


def test_a_proof_record_is_a_closed_schema_too(make, write_proof, complaints) -> None:
    catalogue = make("streaming.slow")
    path = write_proof(catalogue, "streaming.slow")
    assert complaints(catalogue) == []
    path.write_text(
        path.read_text().replace('"felt"', '"feld"').replace('"id": "streaming.slow"', '"id": "host.full"', 1)
    )
    found = complaints(catalogue)
    assert any("unknown key 'feld'; did you mean 'felt'?" in one for one in found)
    assert any("key 'felt' is missing" in one for one in found)


def test_a_proof_record_of_another_id_is_told(make, write_proof, complaints) -> None:
    catalogue = make("streaming.slow")
    path = write_proof(catalogue, "streaming.slow")
    path.write_text(path.read_text().replace('"id": "streaming.slow"', '"id": "host.full"', 1))
    assert any("id 'host.full' is not its path's: 'streaming.slow'" in one for one in complaints(catalogue))


def test_a_file_at_a_path_that_is_no_id_is_told(make, write, complaints) -> None:
    catalogue = make("streaming.slow")
    write(catalogue.root, "docs/troubleshooting/steaming/Slow.md", "# x\n")
    write(catalogue.root, "kb/steaming/slow/problem.yml", "id: x\n")
    found = complaints(catalogue)
    assert any(one.startswith("docs/troubleshooting/steaming/Slow.md:1: 'steaming.Slow' is no id") for one in found)
    assert any("did you mean 'streaming'?" in one for one in found if one.startswith("kb/steaming/slow/problem.yml:1:"))


def test_what_is_no_guide_no_python_and_no_utf8_is_told(make, write, complaints) -> None:
    catalogue = make("streaming.slow", "host.full")
    write(catalogue.root, GUIDE, "# No front matter\n")
    write(catalogue.root, "diagnostics/host/full.py", "def (:\n")
    (catalogue.root / "docs/other.md").write_bytes(b"# \xff\n")
    write(catalogue.root, "docs/broken.md", "---\na: [\n---\n\n```\nnever closed\n")
    found = complaints(catalogue)
    assert f"{GUIDE}:1: has no front matter: a guide begins with '---', its keys, and '---'" in found
    assert any(one.startswith("diagnostics/host/full.py:1: is no Python") for one in found)
    assert "docs/other.md:1: is not UTF-8 (byte 2)" in found
    assert any(one.startswith("docs/broken.md:2: is no YAML") for one in found)
    assert "docs/broken.md:5: fence is never closed" in found


def test_commands_in_prose_comments_output_and_placeholders_are_left_alone(make, complaints, change) -> None:
    catalogue = make("streaming.slow")
    change(
        catalogue,
        GUIDE,
        "## Fix",
        """`plumb diagnose ID --target NAME`, `plumb diagnose [ID…] [--plan]`, `plumb gateway set key=value`, `plumb …`,
        `plumb diagnose streaming.* -- --x`, `plumb gateway set queue_max_bytes=$N`, `plumb --help`,
        `plumb gateway serve -v`,
        `plumb --catalogue DIR diagnose --target=lab | jq .`, a plumb line, `plumb diagnose "unclosed`

        ```console
        $ plumb diagnose streaming.slow > out.txt   # plumb nonsense
        plumbing is not a command
        ```

        ## Fix""".replace("        ", ""),
    )
    assert complaints(catalogue) == []


def test_a_command_that_cannot_be_loaded_is_told_not_skipped(make, plumb) -> None:
    class Broken(click.Group):
        def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
            raise ImportError("No module named 'fastapi'")

    catalogue = make("streaming.slow")
    tree = Broken(commands={"gateway": plumb.commands["gateway"]})
    found = [str(one) for one in check(catalogue, tree)]
    assert (
        f"{GUIDE}:26: command 'plumb gateway' cannot be loaded here, so its options are not checked: No module"
        in found[0]
    )


def test_links_that_lead_elsewhere_or_into_generated_pages_hold(make, write, complaints, change) -> None:
    catalogue = make("streaming.slow")
    write(catalogue.root, "docs/reference/api.md", "# API\n\n::: plumbline\n")
    write(catalogue.root, "docs/assets/pic (1).svg", "<svg/>")
    write(catalogue.root, "docs/reference/generated/http.md", "# HTTP\n\n## Runs\n")
    links = ["https://x.org/#a", "mailto:a@b.c", "#cause-one-slow-reader", "../../reference/generated/cli.md#any",
             "../../reference/api.md#plumbline.Gateway", "<../../assets/pic%20(1).svg>",
             "../index.md#troubleshooting 'T'", "../../reference/generated/http.md#runs",
             "../index.md?x=1"]  # fmt: skip
    change(
        catalogue, GUIDE, "## Fix", "".join(f"[x]({link})\n" for link in links) + "`[y](no.md)`\n[^1]: no.md\n\n## Fix"
    )
    assert complaints(catalogue) == []
    change(catalogue, GUIDE, "http.md#runs", "http.md#run")
    assert "did you mean 'runs'?" in complaints(catalogue)[0]


def test_nested_blocks_close_from_the_inside(make, complaints, change) -> None:
    catalogue = make("streaming.slow")
    nested = "//// details | More\n/// diagnostic | streaming.slow\n///\n////\n\n## Fix"
    change(catalogue, GUIDE, "## Fix", nested)
    assert complaints(catalogue) == []


def test_loading_tells_all_faults_or_gives_the_whole_handbook(make, change) -> None:
    catalogue = make("streaming.slow", "host.full")
    handbook = load(catalogue)
    guide = handbook.guides["streaming.slow"]
    assert [*handbook.guides] == ["host.full", "streaming.slow"]
    assert guide.url == "/troubleshooting/streaming/slow/"
    assert guide.body.startswith("\n## Symptom")
    assert [page.url for page in handbook.pages.values()] == ["/", "/troubleshooting/"]
    assert handbook.diagnostics["host.full"].question == "Is the process of host.full out of descriptors?"
    assert "everything is slow" in guide.sections[0].text
    assert not any("why is it so slow" in section.text for section in guide.sections)  # paraphrases are held out
    change(catalogue, GUIDE, "title: C", "titel: C")
    change(catalogue, RECORD, "title: C", "titel: C")
    with pytest.raises(HandbookError) as error:
        load(catalogue)
    assert len(error.value.complaints) == 4
    assert re.search(rf"^{GUIDE}:2: unknown key 'titel'", str(error.value), re.MULTILINE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    text=st.text(max_size=120) | st.text(alphabet="-#`/|:[]{}()<>. \nabplum{}&*!'\"", max_size=120),
    path=st.sampled_from([GUIDE, RECORD, CODE, "kb/retired.yml", "docs/index.md", "docs/proof/streaming/slow.json"]),
    kept=st.booleans(),
)
def test_whatever_stands_in_a_file_the_check_answers(make, write, text: str, path: str, kept: bool, plumb) -> None:
    catalogue = make("streaming.slow")
    before = (catalogue.root / path).read_text("utf-8") if kept and (catalogue.root / path).exists() else ""
    write(catalogue.root, path, before + text.encode("utf-8", "replace").decode())
    assert all(one.line >= 1 for one in check(catalogue, plumb))
    (catalogue.root / path).unlink()
