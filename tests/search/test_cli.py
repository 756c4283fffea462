"""`plumb search` and `plumb index`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plumbline.catalogue import Catalogue, state_folder
from plumbline.cli.main import main
from plumbline_search import build, store
from plumbline_search.model import ModelError
from plumbline_search.state import gaps_file, index_home


@pytest.fixture(autouse=True)
def _words_instead_of_the_model(monkeypatch: pytest.MonkeyPatch, embedder) -> None:
    monkeypatch.setattr(build, "_embedder", lambda _: embedder)


def plumb(catalogue: Catalogue, *arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["--catalogue", str(catalogue.root), *arguments], input=stdin)


def test_a_guide_that_is_found_exits_0_and_names_the_command_that_checks_it(catalogue: Catalogue):
    done = plumb(catalogue, "search", "--lexical", "memory", "of the gateway keeps growing")
    assert done.exit_code == 0
    assert "1. One slow consumer stalls everybody  [guide]" in done.stdout
    assert "/troubleshooting/streaming/slow-consumer/#symptom" in done.stdout
    assert "check: plumb diagnose streaming.slow-consumer  (guide proven 2026-11-20)" in done.stdout


def test_no_guide_exits_1_asks_back_and_is_recorded(catalogue: Catalogue):
    done = plumb(catalogue, "search", "--lexical", "bicycle has a flat tyre")
    assert done.exit_code == 1
    assert "There is no guide for this." in done.stdout
    assert "component" in done.stdout
    assert json.loads(gaps_file().read_text())["query"] == "bicycle has a flat tyre"


def test_json_is_what_the_service_gives(catalogue: Catalogue):
    told = json.loads(plumb(catalogue, "search", "--json", "--lexical", "Too many open files").stdout)
    assert told["results"][0]["id"] == "streaming.fd-exhaustion"
    assert told["mode"] == "lexical"


def test_a_missing_index_is_said_on_standard_error(catalogue: Catalogue):
    done = plumb(catalogue, "search", "memory of the gateway")
    assert done.exit_code == 0
    assert "plumb index" in done.stderr


@pytest.mark.parametrize("from_file", [True, False])
def test_a_log_is_searched_from_a_file_or_standard_input(catalogue: Catalogue, tmp_path: Path, from_file: bool):
    log = (
        b"2026-11-20 INFO \xff\xfe\n"
        + b"2026-11-20 INFO noise\n" * 20_000
        + b"OSError: [Errno 24] Too many open files\n"
    )
    path = tmp_path / "service.log"
    path.write_bytes(log)
    given, stdin = (str(path), None) if from_file else ("-", log)
    done = plumb(catalogue, "search", "--lexical", "--log", given, stdin=stdin)
    assert done.exit_code == 0, done.output
    assert "line: OSError: [Errno 24] Too many open files" in done.stdout


def test_bytes_that_are_no_utf_8_do_not_make_a_log_too_long(catalogue: Catalogue, tmp_path: Path):
    path = tmp_path / "binary.log"
    path.write_bytes(b"\xff" * 300_000 + b"\nToo many open files\n")
    assert plumb(catalogue, "search", "--lexical", "--log", str(path)).exit_code in (0, 1)


@pytest.mark.parametrize("arguments", [[], ["x", "--log", "-"], ["!!!"], ["x", "--limit", "0"], ["--log", "/nowhere"]])
def test_asking_wrongly_exits_2(catalogue: Catalogue, arguments: list[str]):
    done = plumb(catalogue, "search", "--lexical", *arguments)
    assert done.exit_code == 2
    assert "Error:" in done.stderr


def test_an_empty_handbook_exits_2_with_one_sentence(tmp_path: Path):
    for folder in ("docs", "kb", "diagnostics"):
        (tmp_path / folder).mkdir()
    for lexical in (["--lexical"], []):
        done = plumb(Catalogue(tmp_path), "search", *lexical, "gateway")
        assert done.exit_code == 2
        assert "holds no guide" in done.stderr
    assert plumb(Catalogue(tmp_path), "index").exit_code == 1


def test_a_folder_that_is_no_catalogue_exits_2(tmp_path: Path):
    done = plumb(Catalogue(tmp_path / "nowhere"), "search", "gateway")
    assert done.exit_code == 2
    assert "is no catalogue" in done.stderr


def test_an_index_is_built_once_and_checked(catalogue: Catalogue):
    missing = plumb(catalogue, "index", "--check")
    assert missing.exit_code == 1
    assert "no search index yet" in missing.stderr
    first = plumb(catalogue, "index")
    assert first.exit_code == 0, first.output
    assert "index built" in first.stdout
    assert "index: embed (" in first.stderr
    assert "index up to date" in plumb(catalogue, "index").stdout
    assert plumb(catalogue, "index", "--check").exit_code == 0
    (catalogue.root / "docs/reference/settings.md").write_text("# Settings\n\nother\n")
    stale = plumb(catalogue, "index", "--check")
    assert stale.exit_code == 1
    assert "not up to date" in stale.stderr


def test_what_could_not_be_read_is_named_when_the_index_is_built(catalogue: Catalogue):
    (catalogue.root / "kb/streaming/fd-exhaustion/problem.yml").write_text("id: [")
    done = plumb(catalogue, "index")
    assert done.exit_code == 0
    assert "not read: kb/streaming/fd-exhaustion/problem.yml" in done.stderr
    assert "plumb check" in done.stderr


@pytest.mark.parametrize(
    "error", [ModelError("the weights are wrong"), store.IndexBusyError("another process builds"), OSError("disk full")]
)
def test_a_build_that_fails_exits_1_with_one_sentence(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(build, "build", fail)
    done = plumb(catalogue, "index")
    assert done.exit_code == 1
    assert str(error) in done.stderr
    assert "Traceback" not in done.output


def test_each_catalogue_has_its_own_index(catalogue: Catalogue, tmp_path: Path):
    other = Catalogue(tmp_path / "other" / catalogue.root.name)
    assert index_home(catalogue) != index_home(other)
    assert index_home(catalogue).is_relative_to(state_folder())


def test_state_lies_in_the_checkout_or_the_users_folder_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("PLUMBLINE_STATE")
    assert state_folder() == Path(__file__).parents[2] / ".plumbline"
    import plumbline.catalogue.state as module

    monkeypatch.setattr(module, "__file__", str(tmp_path / "lib/python/plumbline/catalogue/state.py"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_folder() == tmp_path / "state/plumbline"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == Path.home() / ".local/state/plumbline"


def test_a_search_leaves_the_model_alone_until_it_is_needed():
    code = (
        "import sys, plumbline_search.cli; sys.exit(any(name in sys.modules for name in ('bm25s', 'faiss', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
