"""Diagnostics are loaded by their path, as the catalogue does, and judge evidence that the test made up."""

import importlib.util
from functools import cache

import pytest
import yaml
from hypothesis import settings

from plumbline.catalogue import ProblemId, locate
from plumbline.diagnosis import Judge

settings.register_profile("diagnostics", deadline=None, derandomize=True)  # the same examples on every machine
settings.load_profile("diagnostics")


@cache
def _module(problem: str):
    path = locate().root / ProblemId.parse(problem).diagnostic
    spec = importlib.util.spec_from_file_location(problem.replace(".", "_").replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def load():
    """The module of a diagnostic, by id; its thresholds are attributes."""
    return _module


@pytest.fixture(scope="session")
def judge():
    """The judge of a diagnostic, by id."""

    def of(problem: str) -> Judge:
        (found,) = [value for value in vars(_module(problem)).values() if isinstance(value, Judge)]
        return found

    return of


@pytest.fixture(scope="session")
def declared_causes():
    """The cause ids that a problem's record declares."""

    @cache
    def of(problem: str) -> set[str]:
        record = locate().root / ProblemId.parse(problem).record
        return {cause["id"] for cause in yaml.safe_load(record.read_text())["causes"]}

    return of
