"""An id is a path; the catalogue is found from any folder, and an empty one is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.catalogue import AREAS, Catalogue, CatalogueError, ProblemId, locate

WORDS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+){0,4}", fullmatch=True)


@given(st.sampled_from(AREAS), WORDS)
def test_an_id_is_read_back_from_each_of_its_paths(area: str, slug: str) -> None:
    problem = ProblemId.parse(f"{area}.{slug}")
    assert str(problem) == f"{area}.{slug}"
    assert problem.guide.stem == slug
    assert problem.diagnostic.stem.replace("_", "-") == slug
    assert problem.record.parent == problem.fault.parent
    assert problem.url == f"/troubleshooting/{area}/{slug}/"
    assert problem.proof.name == f"{slug}.json"


@given(st.text(max_size=40).filter(lambda text: "." not in text))
def test_a_text_without_a_dot_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no id: an id is <area>\.<slug>"):
        ProblemId.parse(text)


def test_an_unknown_area_names_the_areas() -> None:
    with pytest.raises(ValueError, match="the areas are streaming, deployment"):
        ProblemId.parse("steaming.slow-consumer")


def made(root: Path) -> Path:
    for name in ("docs", "kb", "diagnostics"):
        (root / name).mkdir(parents=True)
    return root


def test_the_named_folder_is_used_before_all_others(tmp_path: Path) -> None:
    assert locate(made(tmp_path / "own")).root == tmp_path / "own"


def test_the_variable_names_a_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_CATALOGUE", str(made(tmp_path / "own")))
    assert locate().root == tmp_path / "own"


def test_without_a_name_the_checkout_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUMBLINE_CATALOGUE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (locate().root / "pyproject.toml").is_file()


def test_a_folder_that_is_no_catalogue_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(CatalogueError, match="it lacks kb/, diagnostics/"):
        locate(tmp_path)


def test_an_empty_catalogue_is_never_green(tmp_path: Path) -> None:
    catalogue = Catalogue(made(tmp_path))
    with pytest.raises(CatalogueError, match="holds no diagnostic"):
        catalogue.diagnostics()
    with pytest.raises(CatalogueError, match="holds no guide"):
        catalogue.guides()


def test_a_file_at_a_path_that_is_no_id_is_named(tmp_path: Path) -> None:
    root = made(tmp_path)
    (root / "diagnostics/nowhere").mkdir()
    (root / "diagnostics/nowhere/x.py").write_text("")
    with pytest.raises(CatalogueError, match=r"x\.py: 'nowhere\.x' has the area 'nowhere'"):
        Catalogue(root).diagnostics()
