import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from plumbline.catalogue import CatalogueError
from plumbline.diagnosis import catalogue as diagnostics
from plumbline.diagnosis.catalogue import load, of_file, origins


@pytest.fixture
def entry_points(monkeypatch):
    """Let distributions announce these entry points."""
    found = []
    monkeypatch.setattr(diagnostics, "entry_points", lambda group: found if group == "plumbline.diagnostics" else [])
    return found


def test_a_diagnostic_tells_its_question_its_explanation_and_its_limits(make, source):
    (one,) = load(make({"host.a-number": source()}))
    assert one.id == "host.a-number"
    assert one.question == "Is the number small enough?"
    assert one.explanation == "It is read from nowhere.\n\nHold the number against the limit."
    assert one.judge is not None
    assert one.judge.timeout_s == 20.0
    assert {name: str(limit) for name, limit in one.thresholds.items()} == {"TOO_MUCH": "5 s"}
    assert one.thresholds["TOO_MUCH"].name == "too much"
    assert one.guide == "/troubleshooting/host/a-number/"


def test_loading_leaves_no_byte_code_behind(make, source):
    catalogue = make({"host.a-number": source()})
    load(catalogue)
    assert [path.name for path in (catalogue.root / "diagnostics/host").iterdir()] == ["a_number.py"]


def test_diagnostics_come_in_the_order_of_their_ids(make, source):
    loaded = load(make({"streaming.b": source(), "host.z": source(), "host.a": source()}))
    assert [one.id for one in loaded] == ["host.a", "host.z", "streaming.b"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("TOO_MUCH = Threshold(5,", "TOO_MUCH = Threshold(1 / 0,", "ZeroDivisionError"),
        ("import ctypes", "import plumbline.no_such_module", "ModuleNotFoundError"),
        ("number: Number) -> Finding", "number: int) -> Finding", "annotated with no evidence record"),
        ("source=", "source=' '  or ", "names its source"),
        ("import ctypes", "import yaml", "imports 'yaml'"),
    ],
)
def test_a_broken_file_stays_in_the_list_with_its_reason_and_the_others_load(make, source, old, new, told):
    bad, good = load(make({"host.bad": source().replace(old, new, 1), "host.good": source()}))
    assert bad.judge is None
    assert told in bad.broken.sentence
    assert bad.broken.line > 1
    assert bad.question == "Bad?"
    assert good.judge is not None


def test_a_file_that_is_no_text_is_broken_not_fatal(make, source):
    catalogue = make({"host.bad": source()})
    (catalogue.root / "diagnostics/host/bad.py").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in load(catalogue)[0].broken.sentence


def test_a_file_that_exits_on_import_is_broken_not_fatal(make, source):
    text = source().replace("TOO_MUCH = ", "from sys import exit as Threshold2\nTOO_MUCH = ")
    text = text.replace("Threshold(5", "Threshold(sys.exit(3) or 5")
    (one,) = load(make({"host.bad": text}))
    assert "calls sys.exit()" in one.broken.sentence


def test_another_catalogue_may_hold_the_same_id_without_shadowing(tmp_path, write, source):
    first = write(tmp_path / "one", {"host.a": source()})
    second = write(tmp_path / "two", {"host.a": source().replace("small enough", "large enough")})
    assert [load(one)[0].question for one in (first, second, first)] == [
        "Is the number small enough?",
        "Is the number large enough?",
        "Is the number small enough?",
    ]


def test_a_distribution_brings_its_diagnostics(make, source, tmp_path, entry_points, monkeypatch):
    folder = tmp_path / "lib/acme_checks"
    (folder / "streaming").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "streaming/acme_lag.py").write_text(source().replace("import ctypes", "import acme_checks"))
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    entry_points.append(EntryPoint("acme", "acme_checks", "plumbline.diagnostics"))
    loaded = load(make({"host.a": source()}))
    assert [(one.id, one.broken) for one in loaded] == [("host.a", None), ("streaming.acme-lag", None)]
    sys.modules.pop("acme_checks")


def test_an_entry_point_may_name_a_folder_by_an_attribute(make, source, tmp_path, entry_points, monkeypatch, write):
    write(tmp_path / "other", {"host.b": source()})
    (tmp_path / "acme_folder.py").write_text(f"WHERE = {str(tmp_path / 'other/diagnostics')!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_points.append(EntryPoint("acme", "acme_folder:WHERE", "plumbline.diagnostics"))
    assert [one.id for one in origins(make({"host.a": source()}))] == ["host.a", "host.b"]
    sys.modules.pop("acme_folder")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_package", "ModuleNotFoundError"),
        ("json.decoder", "which is no package"),
        ("json", "holds no <area>/<slug>.py"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_one_broken_diagnostic(make, source, entry_points, value, told):
    entry_points.append(EntryPoint("Acme Checks", value, "plumbline.diagnostics"))
    first, second = load(make({"host.a": source()}))
    assert first.judge is not None
    assert second.id == "host.catalogue-acme-checks"
    assert told in second.broken.sentence


def test_two_files_may_not_claim_one_id(make, source, tmp_path, entry_points, monkeypatch, write):
    other = write(tmp_path / "other", {"host.a": source()})
    (tmp_path / "acme_twin.py").write_text(f"WHERE = {str(other.root / 'diagnostics')!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_points.append(EntryPoint("acme", "acme_twin:WHERE", "plumbline.diagnostics"))
    with pytest.raises(CatalogueError, match=r"has the id 'host\.a', which"):
        origins(make({"host.a": source()}))
    sys.modules.pop("acme_twin")


def test_an_empty_catalogue_is_an_error(make):
    with pytest.raises(CatalogueError, match="never green"):
        load(make({}))


def test_one_file_may_lie_outside_of_any_catalogue(tmp_path, source):
    path = tmp_path / "host/my_check.py"
    path.parent.mkdir()
    path.write_text(source())
    assert of_file(path).id == "host.my-check"


@pytest.mark.parametrize(("name", "told"), [("host/none.py", "no such file"), ("misc/check.py", "<area>/<slug>.py")])
def test_a_file_at_no_place_for_a_diagnostic_is_refused(tmp_path, source, name, told):
    (tmp_path / "misc").mkdir()
    (tmp_path / "misc/check.py").write_text(source())
    with pytest.raises(CatalogueError, match=told):
        of_file(Path(tmp_path / name))
