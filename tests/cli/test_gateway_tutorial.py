"""`plumb gateway tutorial` writes files that fit together, and overwrites nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from plumbline.cli.gateway_tutorial import FILES
from plumbline.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(main, [*words])


def test_it_writes_the_tutorials_files_as_they_are(tmp_path, run):
    folder = tmp_path / "a" / "live-scores"
    done = run("gateway", "tutorial", str(folder))
    assert done.exit_code == 0
    assert done.output.split() == [str(folder / Path(name).name) for name in FILES]
    for name in FILES:
        assert (folder / Path(name).name).read_bytes() == (DOCS / name).read_bytes()


def test_every_script_that_they_import_is_among_them(tmp_path, run):
    run("gateway", "tutorial", str(tmp_path / "x"))
    for path in (tmp_path / "x").glob("*.js"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "export {")) and " from " in line:
                assert (path.parent / line.rpartition("from ")[2].strip(' ";./')).is_file()


def test_what_is_there_already_stays(tmp_path, run):
    (tmp_path / "dashboard.html").write_text("mine")
    done = run("gateway", "tutorial", str(tmp_path))
    assert done.exit_code == 1
    assert "is there already; nothing was written" in done.output
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path, run):
    (tmp_path / "file").write_text("")
    done = run("gateway", "tutorial", str(tmp_path / "file" / "below"))
    assert done.exit_code == 1
    assert "cannot write" in done.output


def test_a_catalogue_without_the_tutorial_says_so(tmp_path, run):
    for name in ("docs", "kb", "diagnostics"):
        (tmp_path / name).mkdir()
    done = run("--catalogue", str(tmp_path), "gateway", "tutorial", str(tmp_path / "x"))
    assert done.exit_code == 1
    assert "without the tutorial" in done.output
    assert run("--catalogue", str(tmp_path / "no"), "gateway", "tutorial", "x").exit_code == 2
