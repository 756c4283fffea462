"""A proof's inputs are hashed by content, and nothing else makes a proof stale."""

from __future__ import annotations

import pytest

from plumbline.handbook.inputs import NAMES, changed, component_files, hashes, source_root

GUIDE = "docs/troubleshooting/streaming/slow.md"


def test_all_five_inputs_have_a_hash(make) -> None:
    found = hashes(make("streaming.slow"), "streaming.slow")
    assert [*found] == [*NAMES]
    assert len(set(found.values())) == 5


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (GUIDE, "guide"),
        ("diagnostics/streaming/slow.py", "diagnostic"),
        ("kb/streaming/slow/fault.py", "fault"),
        ("kb/streaming/slow/problem.yml", "record"),
    ],
)
def test_a_change_is_told_by_the_name_of_its_input_alone(make, path: str, name: str) -> None:
    catalogue = make("streaming.slow")
    before = hashes(catalogue, "streaming.slow")
    assert changed(catalogue, "streaming.slow", before) == []
    file = catalogue.root / path
    file.write_text(file.read_text() + "\n# more\n")
    assert changed(catalogue, "streaming.slow", before) == [name]


def test_every_cited_diagnostic_counts(make, change) -> None:
    catalogue = make("streaming.slow", "host.full")
    change(catalogue, GUIDE, "diagnostics: [streaming.slow]", "diagnostics: [streaming.slow, host.full, nonsense]")
    before = hashes(catalogue, "streaming.slow")
    change(catalogue, "diagnostics/host/full.py", "All is well", "All is fine")
    assert changed(catalogue, "streaming.slow", before) == ["diagnostic"]


def test_what_is_not_installed_is_not_compared(make) -> None:
    catalogue = make("streaming.slow")
    before = hashes(catalogue, "streaming.slow")
    (catalogue.root / "kb/streaming/slow/fault.py").unlink()
    assert changed(catalogue, "streaming.slow", before) == []


def test_a_missing_problem_has_no_hashes(make) -> None:
    assert hashes(make("streaming.slow"), "host.nothing") == {}


def test_component_paths_take_globs_folders_and_the_prefix_src_but_never_leave_the_source_root() -> None:
    root = source_root()
    assert component_files(["plumbline/evidence.py"]) == [root / "plumbline/evidence.py"]
    assert component_files(["src/plumbline/evidence.py"]) == [root / "plumbline/evidence.py"]
    assert root / "plumbline/catalogue/ids.py" in component_files(["plumbline/catalogue"])
    assert root / "plumbline/catalogue/ids.py" in component_files(["plumbline/**/ids.py"])
    assert component_files(["../*", "/", ""]) == []
    assert not any(path.suffix == ".pyc" for path in component_files(["plumbline/catalogue"]))
